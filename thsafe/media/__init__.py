"""Reading, measuring and writing pictures, video and sound."""
