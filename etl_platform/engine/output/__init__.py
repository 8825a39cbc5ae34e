"""Files and text that a check writes: Parquet, quarantine as CSV and back, aligned text."""
