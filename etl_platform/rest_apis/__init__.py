"""api_ingestion_job: reads declared REST APIs and lands their records as snapshots."""
