"""Keys and certificates: made, kept, opened by URI."""
