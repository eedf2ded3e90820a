"""Traces of how a file came about, in its coding, its pictures and its sound: context without a score."""
