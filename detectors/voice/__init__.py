"""Is a voice synthetic? Two experimental answers: AASIST, and a small spectral model of ours."""
