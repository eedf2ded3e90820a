"""Live2D models and our own puppet: a drawn figure that speaks, and its movement as files or a stream."""
