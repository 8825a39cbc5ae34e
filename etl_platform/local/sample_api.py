"""A small REST API on the loopback interface, with generated training records, for demo, development and tests.

``GET /v1/courses?updated_since=…&cursor=…`` with a bearer token; 40 records per page, ordered by ``updated_at``.
"""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from etl_platform.local.http_server import serve_in_thread

SECRET_NAME = "SAMPLE_API_TOKEN"  # noqa: S105 - the name of the variable, not the token
TOKEN = "sample-token"  # noqa: S105 - only the sample API accepts it
_PAGE = 40
_CATEGORIES = ("FIREARMS", "DE-ESCALATION", "DRIVING", "FIRST AID", "LEGAL", "ETHICS")
_FIRST_DAY = date(2024, 1, 1)
_UPDATED = datetime(2025, 1, 1, 8, tzinfo=UTC)


def sample_records(count: int = 100) -> list[dict[str, Any]]:
    """Records of completed courses, always the same."""
    rng = random.Random(20)  # noqa: S311 - sample data
    records = []
    for number in range(count):
        completed = _FIRST_DAY + timedelta(days=rng.randrange(500))
        category = rng.choice(_CATEGORIES)
        records.append(
            {
                "officer_id": f"AC{number // 3:05}",
                "course_code": f"{category[:3].strip()}{100 + number % 3}",
                "completed_on": completed.isoformat(),
                "course_name": f"{category.title()} {number % 3 + 1}",
                "category": category,
                "hours": rng.choice((4, 8, 16, 7.5)),
                "score": None if number % 7 == 0 else rng.randrange(60, 101),
                "passed": True,
                "expires_on": (completed + timedelta(days=730)).isoformat(),
                "provider": "State Academy",
                "updated_at": f"{_UPDATED + timedelta(minutes=number):%Y-%m-%dT%H:%M:%SZ}",
                "instructors": [{"name": f"Instructor {number % 5}"}],
            }
        )
    return records


@dataclass
class SampleApi:
    """A running API. Tests may change ``records`` between two runs."""

    url: str
    records: list[dict[str, Any]] = field(default_factory=sample_records)

    def declaration(self, agency: str = "nm_albuquerque") -> str:
        """The text of its declaration, for a file in API_SOURCES_DIR."""
        return (
            f"name: sample_academy\nagency: {agency}\nbase_url: {self.url}/v1\n"
            f"auth: {{type: bearer, secret: {SECRET_NAME}}}\n"
            "resources:\n  - dataset: training\n    path: /courses\n    data_path: data\n"
            "    pagination: {type: cursor, next: meta.next_cursor}\n"
            "    incremental: {field: updated_at, param: updated_since}\n"
        )

    def answer(self, target: str, authorization: str | None) -> tuple[int, Any]:
        """HTTP status and JSON document for a request."""
        if authorization != f"Bearer {TOKEN}":
            return 401, {"error": "unauthorized"}
        url = urlsplit(target)
        if url.path != "/v1/courses":
            return 404, {"error": "not found"}
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        since, start = query.get("updated_since", ""), int(query.get("cursor", "0"))
        found = sorted((r for r in self.records if r["updated_at"] >= since), key=lambda r: str(r["updated_at"]))
        following = str(start + _PAGE) if start + _PAGE < len(found) else None
        return 200, {"data": found[start : start + _PAGE], "meta": {"next_cursor": following}}


@contextmanager
def sample_api() -> Iterator[SampleApi]:
    """Serve the API on a free port until the context ends."""
    api: SampleApi

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, document = api.answer(self.path, self.headers.get("Authorization"))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log nothing, so that requests do not appear in the output of the demo."""

    with serve_in_thread(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        api = SampleApi(url)
        yield api
