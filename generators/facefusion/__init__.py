"""FaceFusion, run as a program from the user's own checkout: somebody's face in somebody's film, both having agreed."""
