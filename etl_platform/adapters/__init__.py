"""One outside system per file: S3, SQS, local files. No Dagster."""
