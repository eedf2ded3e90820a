"""The nouns of thsafe, its errors and its canonical bytes. Standard library only."""
