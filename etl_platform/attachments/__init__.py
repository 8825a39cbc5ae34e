"""An agency's attachments, copied between buckets."""
