"""Files that agencies drop into S3 become checked, typed, traceable tables."""
