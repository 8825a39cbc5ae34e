"""``check --serve``: the page that takes files, on 127.0.0.1 of the sender's own machine, until Ctrl+C.

A page of any other origin can make a browser post here, or point a name of its own at this address. So a request is
answered only if its Host is this address, and a post only if its Origin is this page.
"""

import argparse
import tempfile
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from etl_platform.engine.check_contracts import CheckContracts
from etl_platform.engine.errors import EtlPlatformError, UsageError
from etl_platform.engine.exit_codes import GOOD
from etl_platform.engine.isolated import Isolated, ProcessEndedError
from etl_platform.engine.pages.drop_page import DropPage, drop_page
from etl_platform.engine.web_check.file_form import FileForm, RefusedPostError, too_large
from etl_platform.engine.web_check.page_headers import page_headers
from etl_platform.engine.web_check.posted_file import PostedFile, check_posted, verdict_page

_HOST = "127.0.0.1"
_MAX_FILE_BYTES, _MOST = 2 << 30, "2 GiB"
_BLOCK_BYTES = 1 << 18


def serve(arguments: argparse.Namespace, contracts_folder: Callable[[], Path]) -> int:
    """Serve the page until Ctrl+C, and open it in the browser.

    Raises:
        UsageError: the port is in use.
        ContractError: no contract can be read.
    """
    contracts = CheckContracts.read(arguments, contracts_folder)
    with (
        tempfile.TemporaryDirectory(prefix="etl-platform-") as folder,
        Isolated(_use_contracts, contracts) as isolated,
        _LocalServer(arguments, contracts, Path(folder), isolated) as server,
    ):
        url = f"http://{_HOST}:{server.server_port}/"
        print(f"Drop files on {url}\nNothing leaves this computer. Stop with Ctrl+C.", flush=True)
        webbrowser.open(url)
        server.serve_forever()
    return GOOD


_contracts = CheckContracts()
"""In the process that checks: the contracts of all files."""


def _use_contracts(contracts: CheckContracts) -> None:
    global _contracts  # noqa: PLW0603 - a process that checks files has one set of contracts
    _contracts = contracts


def _answer(posted: PostedFile, at: datetime) -> str:
    """In the process that checks: the verdict page; what was written for it is deleted."""
    folder = posted.path.parent
    try:
        checked = check_posted(posted, replace(_contracts, at=at), folder)
        return verdict_page(checked, back="/", workbook=folder)
    except (EtlPlatformError, OSError, MemoryError, RuntimeError) as error:
        message = f"The file could not be checked: {str(error) or type(error).__name__}."
        raise RefusedPostError(500, "failed", message) from None


class _LocalServer(ThreadingHTTPServer):
    """One check at a time, in a process of its own; a file that ends that process ends nothing else."""

    daemon_threads = True

    def __init__(
        self, arguments: argparse.Namespace, contracts: CheckContracts, folder: Path, isolated: Isolated
    ) -> None:
        try:
            super().__init__((_HOST, arguments.port), _Request)
        except OSError as error:
            message = f"--port {arguments.port}: {error.strerror}; choose another, or leave it out for a free one"
            raise UsageError(message) from None
        self._contracts, self._arguments = contracts, arguments
        self._folder, self._isolated, self._checks = folder, isolated, Lock()

    @cached_property
    def hosts(self) -> frozenset[str]:
        return frozenset(f"{name}:{self.server_port}" for name in (_HOST, "localhost"))

    def page(self, problem: str = "", dataset: str = "", fields: Mapping[str, str] | None = None) -> str:
        """The form, filled in as it was posted."""
        shows = self._arguments.show_values if fields is None else "values" in fields
        agency = self._arguments.agency or "" if fields is None else fields.get("agency", "")
        chosen = dataset or (fields or {}).get("dataset", "")
        named = self._contracts.named
        return drop_page(
            DropPage(
                about="The file is checked on this computer, with the rules that run when it arrives.",
                kept="Nothing leaves this computer, and nothing is kept: close the page, and the verdict is gone.",
                most=_MOST,
                action="/",
                problem=problem,
                datasets=(named.dataset,) if named else tuple(sorted(self._contracts.folder.good)),
                dataset=chosen,
                agency=agency,
                may_show_values=True,
                shows_values=shows,
            )
        )

    @contextmanager
    def room(self) -> Iterator[Path]:
        """A folder for one file, which is deleted with all that is in it."""
        with tempfile.TemporaryDirectory(dir=self._folder) as room:
            yield Path(room)

    def check(self, posted: PostedFile) -> str:
        """The verdict page.

        Raises:
            RefusedPostError: no verdict is possible; the message says why.
        """
        try:
            with self._checks:
                return self._isolated.call(_answer, posted, datetime.now(UTC))
        except ProcessEndedError:
            message = "The check of this file ended without a result, perhaps for lack of memory."
            raise RefusedPostError(500, "failed", message) from None


class _Request(BaseHTTPRequestHandler):
    """One request. Nothing is logged."""

    server: _LocalServer
    server_version, sys_version = "etl-platform", ""
    timeout = 30

    def do_GET(self) -> None:
        if self.headers.get("Host") not in self.server.hosts:
            self._send(403, "This page is for the browser of this computer only.")
        elif self.path != "/":
            self._send(404, self.server.page("There is no such page."))
        else:
            self._send(200, self.server.page())

    def do_POST(self) -> None:
        host = self.headers.get("Host")
        if host not in self.server.hosts or self.headers.get_all("Origin") != [f"http://{host}"] or self.path != "/":
            self.close_connection = True
            self._send(403, "Only the page of this address may send files here.")
            return
        form: FileForm | None = None
        try:
            with self.server.room() as room:
                form, posted = self._receive(room)
                answer = 200, self.server.check(posted)
        except RefusedPostError as error:
            answer = error.status, self.server.page(error.message, error.dataset, form.fields if form else {})
        except (TimeoutError, ConnectionError):
            self.close_connection = True
            return
        self._send(*answer)

    def _receive(self, room: Path) -> tuple[FileForm, PostedFile]:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            self.close_connection = True
            raise RefusedPostError(411, "no_length", "The size of the form is missing; send the file with the page.")
        path = room / "posted"
        with path.open("wb") as file:
            form = self._read_form(int(length), file)
        fields = form.fields
        dataset, agency = fields.get("dataset", ""), fields.get("agency", "")
        return form, PostedFile(path, form.file_name or "", dataset, agency, "values" in fields)

    def _read_form(self, rest: int, file: BinaryIO) -> FileForm:
        try:
            if rest > _MAX_FILE_BYTES + _BLOCK_BYTES:
                raise too_large(_MOST)
            form = FileForm(self.headers.get("Content-Type", ""), lambda _: file, _MAX_FILE_BYTES, _MOST)
            while rest and (block := self.rfile.read(min(rest, _BLOCK_BYTES))):
                rest -= len(block)
                form.feed(block)
            form.finish()
        except RefusedPostError:
            self._discard(rest)
            raise
        return form

    def _discard(self, rest: int) -> None:
        """Read what is still to come: a browser that is cut off while it sends never shows the answer."""
        rest = min(rest, 2 * _MAX_FILE_BYTES)
        while rest and (block := self.rfile.read(min(rest, _BLOCK_BYTES))):
            rest -= len(block)

    def _send(self, status: int, page: str) -> None:
        content = page.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"text/{'html' if page.startswith('<!') else 'plain'}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in page_headers().items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name of the base class
        """Nothing: a file's name may be personal."""
