"""A file's life after it arrived: identity, order, processing, records. No Dagster."""
