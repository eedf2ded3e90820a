"""LivePortrait: a still picture that moves as somebody in a film does, with the authors' weights."""
