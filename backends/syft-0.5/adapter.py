# /// script
# requires-python = "==3.8.*"
# dependencies = ["syft==0.5.0", "torch==1.8.1", "markupsafe==2.0.1", "numpy==1.23.5", "pandas==1.5.3", "protobuf==3.20.3", "setuptools==59.8.0", "opencv-python-headless==4.11.0.86"]
#
# [tool.bench]
# framework = "syft"
# imports = ["syft"]
# ///
"""PySyft, not written yet."""
