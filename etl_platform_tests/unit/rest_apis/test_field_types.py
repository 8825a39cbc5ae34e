"""The JSON types of fields, as text in a snapshot's metadata. Their changes are tested in test_ingestion.py."""

from etl_platform.rest_apis.field_types import FieldTypes
from etl_platform.rest_apis.records import Number


def test_field_types_are_one_character_per_column() -> None:
    types = FieldTypes()
    types.add({"a": Number("1"), "b": None, "c": [], "": 1})
    types.add({"a": "x", "b": None})

    text = types.to_text(["a", "b", "c"])

    assert len(text) == 3
    again = FieldTypes.from_text(["a", "b", "c"], text)
    assert again is not None
    assert again.types == types.types
    assert FieldTypes.from_text(["a", "b"], text) is None
    assert FieldTypes.from_text(["a", "b", "c"], "A?A") is None
