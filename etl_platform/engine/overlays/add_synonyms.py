"""Adds synonyms to the text of an overlay, and keeps its comments and layout. No files.

The text is edited at the places that the parser names. The result is read again, and refused if it means anything else
than the overlay before with these synonyms.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from etl_platform.engine.contract.located_yaml import load_located
from etl_platform.engine.contract.model import Contract, fold
from etl_platform.engine.errors import ContractError
from etl_platform.engine.overlays.overlay_reader import apply_overlay

_INDENT = 2


def add_synonyms(contract: Contract, text: str | None, path: str, name: str, synonyms: Mapping[str, str]) -> str:
    """The text of the overlay with these synonyms; the same text if it has all of them.

    Args:
        text: of the overlay; None if the agency has no overlay.
        path, name: as for ``apply_overlay``.
        synonyms: by header of the file, the column of the contract that it means.

    Raises:
        ContractError: the overlay is in error, a header already belongs to another column, or the overlay is written in
            a way that cannot be edited.
    """
    known = apply_overlay(contract, text, path, name) if text is not None else contract
    # The parser does not count a byte order mark among the characters.
    edited = text.removeprefix("\ufeff") if text is not None else None
    for sent, column in synonyms.items():
        header = " ".join(sent.splitlines())
        owner = known.known_headers.get(fold(header), column)
        if owner != column:
            raise ContractError(f"the header {header!r} already belongs to {owner}, not to {column}", path=path)
        if fold(header) in known.known_headers:
            continue
        before, edited = edited, _with_synonym(edited, column, header, contract.dataset)
        _refuse_other_changes(before, edited, path, column, header)
        known = apply_overlay(contract, edited, path, name)
    return edited or ""


def _refuse_other_changes(before: str | None, after: str, path: str, column: str, header: str) -> None:
    """Raise ContractError if the edited overlay differs from the one before by more than the added synonym."""
    expected: Any = load_located(before, path).data if before is not None else {}
    entry = expected.setdefault("columns", {}).setdefault(column, {})
    entry["synonyms"] = [*entry.get("synonyms", []), header]
    try:
        found = load_located(after, path).data
    except ContractError:
        found = None
    if found != expected:
        message = f"the synonym {header!r} of {column} cannot be added to this layout; write it by hand"
        raise ContractError(message, path=path)


def _with_synonym(text: str | None, column: str, header: str, dataset: str) -> str:
    quoted = "'" + header.replace("'", "''") + "'"
    if text is None:
        return f"# How this agency writes its files of {dataset}.\ncolumns:\n  {column}:\n    synonyms: [{quoted}]\n"
    top = yaml.compose(text, Loader=yaml.CSafeLoader)
    new = f"synonyms: [{quoted}]"
    columns = _member(top, "columns")
    if columns is None:
        return _append(text, f"columns:\n  {column}:\n    {new}\n")
    entry = _member(columns, column)
    if entry is None:
        return _first_member(text, columns, f"{column}: {{{new}}}", f"{column}:", new)
    synonyms = _member(entry, "synonyms")
    if synonyms is None:
        return _first_member(text, entry, new, new)
    return _last_item(text, synonyms, quoted)


def _member(node: Any, name: str) -> Any:
    return next((value for key, value in node.value if key.value == name), None)


def _first_member(text: str, mapping: Any, flow: str, *lines: str) -> str:
    """A member in front of the others: ``flow`` within braces, else lines, each further in than the one before."""
    start = mapping.start_mark.index
    if mapping.flow_style:
        return f"{text[: start + 1]}{flow}, {text[start + 1 :]}"
    margin = " " * mapping.start_mark.column
    step = " " * _INDENT
    return text[:start] + "".join(f"{step * depth}{line}\n{margin}" for depth, line in enumerate(lines)) + text[start:]


def _last_item(text: str, items: Any, quoted: str) -> str:
    last: Sequence[Any] = items.value
    end = last[-1].end_mark.index
    if items.flow_style:
        return f"{text[:end]}, {quoted}{text[end:]}"
    margin = " " * items.start_mark.column
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    return f"{text[:line_end]}\n{margin}- {quoted}{text[line_end:]}"


def _append(text: str, lines: str) -> str:
    return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{lines}"
