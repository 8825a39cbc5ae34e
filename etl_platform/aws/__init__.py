"""AWS services other than S3 objects, which are in ``storage``."""
