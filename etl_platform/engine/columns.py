"""Names of the columns that the engine adds to the sender's own."""

DAMAGE, BAD = "_damage", "_bad"
"""Of a batch only: what is wrong with the shape of a row, and whether any rule is broken."""

DELIVERY, MEMBER, LINE, OVERFLOW, REASONS = "_delivery_id", "_member", "_line", "_overflow", "reasons"
RESERVED = (LINE, OVERFLOW, REASONS, MEMBER, DELIVERY)
"""Columns that a quarantine file, or an export of it, has beside the sender's own."""

TOO_FEW, TOO_MANY, BAD_QUOTE = "row.too_few_fields", "row.too_many_fields", "row.stray_quote"
DUPLICATES_DIFFER = "row.duplicate_columns_differ"
"""Reasons in DAMAGE."""
