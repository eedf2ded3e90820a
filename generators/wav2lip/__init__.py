"""Wav2Lip: new lips for an existing video, with the authors' weights."""
