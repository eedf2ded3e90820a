"""SadTalker: a still picture moved by speech, with the authors' weights."""
