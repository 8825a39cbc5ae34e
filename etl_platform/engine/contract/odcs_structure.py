"""Whether a document has the structure of an ODCS contract, by the JSON schema of the standard. No meaning."""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs

from etl_platform.engine.contract.located_yaml import Located
from etl_platform.engine.contract.unquoted_values import is_misread, misread, refuse_misread

API_VERSIONS = ("v3.1.0", "v3.2.0")


def check_structure(document: Located) -> None:
    """Raise ContractError, with its line, for the first part that the standard or YAML's own readings rule out."""
    version = document.data.get("apiVersion")
    if version not in API_VERSIONS:
        raise document.error(f"apiVersion {version!r} is not supported; use {' or '.join(API_VERSIONS)}", "apiVersion")
    if document.data.get("kind") != "DataContract":
        raise document.error("kind must be DataContract", "kind")
    refuse_misread(document)
    error = next(iter(_validator().iter_errors(document.data)), None)
    if error is not None:
        if is_misread(document, tuple(error.instance_path)):
            raise misread(document, tuple(error.instance_path))
        where = ".".join(map(str, error.instance_path)) or "the document"
        # The library's own message names two of the allowed values and counts the others.
        allowed = getattr(error.kind, "options", None)
        message = f"{error.instance!r} is not one of {', '.join(map(str, allowed))}" if allowed else error.message
        raise document.error(f"{where}: {message[:300]}", *error.instance_path)


@cache
def _validator() -> Any:
    # Only the package's schema file: importing its pydantic model takes 0.2 s in every run.
    spec = find_spec("open_data_contract_standard")
    assert spec is not None
    assert spec.submodule_search_locations
    schema = Path(spec.submodule_search_locations[0]) / "schema.json"
    return jsonschema_rs.validator_for(json.loads(schema.read_text("utf-8")))
