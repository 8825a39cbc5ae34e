"""An agency's way to write a cell → the contract's way, as its overlay has it. Expressions only.

The rules see the result alone, so an overlay cannot let a value pass a rule that the result breaks.
"""

from collections.abc import Sequence

import polars as pl

from etl_platform.engine.contract.overlay import ColumnOverlay

_GROUPED = r"^[-+(\s$]*[1-9][0-9]{0,2}(?:\.[0-9]{3})+[)\s]*$"
"""With a decimal comma this is a whole number; as a number cell of a workbook it has decimals."""


def contract_text(cell: pl.Expr, overlay: ColumnOverlay, *, in_workbook: bool) -> pl.Expr:
    """The text that the contract expects: values exchanged, comma and point exchanged.

    Args:
        in_workbook: whether numbers may be cells of their own, which have a decimal point whatever the agency writes.
    """
    written = _with_point(cell, in_workbook=in_workbook) if overlay.decimal_comma else cell
    if not overlay.values:
        return written
    theirs, ours = map(list, zip(*overlay.values, strict=True))
    text = cell.str.strip_chars()
    exchanged = text.replace_strict(theirs, ours, default=None, return_dtype=pl.String)
    return pl.when(text.is_in(theirs)).then(exchanged).otherwise(written)


def _with_point(cell: pl.Expr, *, in_workbook: bool) -> pl.Expr:
    point = cell.str.replace_many([",", "."], [".", ","])
    if not in_workbook:
        return point
    # Nothing tells the text 1.234 from the number 1.234, so it becomes a text that is no number.
    undecided = pl.format("{} or {}", cell, point)
    return (
        pl.when(cell.str.contains(",", literal=True))
        .then(point)
        .when(cell.str.contains(_GROUPED))
        .then(undecided)
        .otherwise(cell)
    )


def null_texts(tokens: Sequence[str], overlay: ColumnOverlay | None, *, in_workbook: bool) -> list[str]:
    """Null tokens, in capitals, as ``contract_text`` leaves them: with a decimal comma, it has exchanged their signs.

    Args:
        tokens: those of the contract and of the agency. A number among those of the contract has a point.
    """
    found = set(tokens)
    if overlay is not None and overlay.decimal_comma:
        as_sent = {token for token in tokens if token in overlay.null_tokens or not any(map(str.isdigit, token))}
        changed_texts = {token for token in as_sent if "," in token or not in_workbook}
        found = (found - changed_texts) | set(map(overlay.as_sent, changed_texts))
    return sorted({token.strip().upper() for token in found})


def changed(cell: pl.Expr, overlay: ColumnOverlay) -> pl.Expr:
    """Whether the cell has a text to which the overlay gives another meaning."""
    text = cell.str.strip_chars()
    tokens = sorted({token.strip().upper() for token in overlay.null_tokens})
    is_changed = text.is_in([theirs for theirs, _ in overlay.values])
    return is_changed | text.str.to_uppercase().is_in(tokens) if tokens else is_changed
