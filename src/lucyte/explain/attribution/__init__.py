"""Which parts of a picture, which channels and which features carry an answer."""
