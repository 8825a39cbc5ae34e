"""The rules of a contract, compiled to expressions over batches of rows and evaluated."""
