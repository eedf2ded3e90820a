"""The detector that comes with thsafe: what it looks at in a stretch of frames, how it is fitted and measured."""
