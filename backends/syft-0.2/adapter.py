# /// script
# requires-python = "==3.7.*"
# dependencies = ["syft==0.2.9", "torch==1.4.0", "protobuf==3.20.3", "setuptools==59.8.0", "opencv-python-headless==4.7.0.72"]
#
# [tool.uv]
# override-dependencies = ["aiortc ; python_version < '3'", "notebook ; python_version < '3'", "psutil==5.9.8"]
#
# [tool.bench]
# framework = "syft"
# imports = ["torch", "syft_proto"]
# ///
"""PySyft, not written yet."""
