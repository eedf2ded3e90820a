"""Published detectors that were trained on FaceForensics and its like, run as their authors meant them."""
