"""Whether a generated film keeps the person and the expression: figures, never verdicts."""
