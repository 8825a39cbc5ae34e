"""What Dagster knows of a dataset: its assets, its partitions, and the metadata of its deliveries."""
