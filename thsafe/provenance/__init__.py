"""C2PA credentials: written, read, recovered. The only importer of c2pa."""
