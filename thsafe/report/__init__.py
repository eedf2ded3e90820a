"""A report as text, JSON or one HTML file."""
