# /// script
# requires-python = "==3.11.*"
# dependencies = [
#     "tensorflow-federated==0.87.0",
#     "tensorflow-privacy==0.9.0",
#     "opencv-python-headless==4.11.0.86",
# ]
#
# [tool.uv]
# override-dependencies = ["jax==0.4.13", "jaxlib==0.4.13"]
#
# [tool.bench]
# framework = "tensorflow-federated"
# imports = ["tensorflow_federated"]
# ///
"""TensorFlow Federated: its learning API's federated averaging, run by its native executor."""
