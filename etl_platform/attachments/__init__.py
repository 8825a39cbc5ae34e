"""get_s3_files_job: copies an agency's attachments between buckets."""
