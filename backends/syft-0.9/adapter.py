# /// script
# requires-python = "==3.11.*"
# dependencies = ["syft==0.9.5", "torch==2.13.0", "numpy==1.24.4", "sniffio==1.3.1", "opencv-python-headless==4.11.0.86"]
#
# [tool.bench]
# framework = "syft"
# imports = ["syft", "torch"]
# ///
"""PySyft, not written yet."""
