"""A suspect held against its original: what of it is there, from which moment, and what differs where and when."""
