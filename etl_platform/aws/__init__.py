"""AWS services other than the object store, one per file."""
