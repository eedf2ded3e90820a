"""The append-only log: a Merkle tree over canonical events, signed checkpoints, proofs and witnesses."""
