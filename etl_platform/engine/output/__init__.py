"""What a check writes: Parquet, and the quarantine as CSV and back."""
