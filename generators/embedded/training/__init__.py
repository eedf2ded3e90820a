"""How the engine's own weights are made, from nothing but a synthetic voice and a seed."""
