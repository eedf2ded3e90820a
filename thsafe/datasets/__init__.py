"""Data sets of others, in the folders in which their authors hand them out: checked, and written as one index."""
