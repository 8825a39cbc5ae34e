"""Names of the columns that the engine adds to the sender's own."""

DAMAGE, BAD = "_damage", "_bad"
"""Only in batches: what is wrong with the shape of a row, and whether it breaks any rule."""

FAILED = "failed:"
"""Only in batches: prefix of the flags of rows on which a rule could not be evaluated."""

DELIVERY, MEMBER, LINE, OVERFLOW, REASONS = "_delivery_id", "_member", "_line", "_overflow", "reasons"
RESERVED = (LINE, OVERFLOW, REASONS, MEMBER, DELIVERY)
"""Columns of a quarantine file, or of its export, that are not the sender's."""

TOO_FEW, TOO_MANY, BAD_QUOTE = "row.too_few_fields", "row.too_many_fields", "row.stray_quote"
SPANS_ROWS, CUT = "row.spans_rows", "row.cut_in_two"
DUPLICATES_DIFFER = "row.duplicate_columns_differ"
OUTSIDE, NO_KNOWN_CELL = "row.outside_table", "row.no_known_cell"
BROKEN_CHARACTER, CONTROL_CHARACTER = "row.broken_character", "row.control_character"
"""Reasons in DAMAGE."""

DAMAGED_ROW = "row."
"""Prefix of the reasons in DAMAGE."""
