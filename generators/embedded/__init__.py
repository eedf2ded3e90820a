"""The house's own engine: one picture, twelve expression channels, one warp of the photo and a drawn mouth."""
