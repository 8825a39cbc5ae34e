"""Object stores behind one protocol: S3, or a local folder."""
