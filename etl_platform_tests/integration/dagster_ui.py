"""Queries to a running webserver, as the UI in a browser sends them. No tests."""

import json
from typing import Any
from urllib.request import Request, urlopen


def query(url: str, text: str, **variables: Any) -> dict[str, Any]:
    """The data of a GraphQL query or mutation; an error fails the test."""
    body = json.dumps({"query": text, "variables": variables}).encode()
    with urlopen(Request(f"{url}/graphql", body, {"Content-Type": "application/json"}), timeout=60) as answer:
        found = json.load(answer)
    assert "errors" not in found, found
    data: dict[str, Any] = found["data"]
    return data
