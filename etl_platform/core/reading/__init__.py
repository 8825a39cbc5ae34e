"""Bytes of any file → rows of texts: encoding, dialect, structure, headers and what stands around a table."""
