"""A contract compiled to expressions over batches of rows, and what they find."""
