"""Headless Chromium, driven over the DevTools protocol: what a person does with a page of a server. No tests.

https://chromedevtools.github.io/devtools-protocol/
"""

import json
import subprocess
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from etl_platform_tests.deploy.tools import tool

_TIMEOUT_S = 60


class DrivenBrowser:
    """One page. Every wait ends with an error after a minute."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._number = socket, 0
        for domain in ("Page", "DOM", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """The result of a command of the protocol."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": arguments}))
        while True:
            answer = json.loads(self._socket.recv(_TIMEOUT_S))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait("document.readyState == 'complete' && location.href != 'about:blank'")

    def run(self, script: str) -> Any:
        """The value of a script, which may be a promise. The page's own policy does not apply to it."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait(self, condition: str) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            # Between two pages there is nothing to ask.
            done = self.call("Runtime.evaluate", expression=condition, returnByValue=True)
            if done["result"].get("value") is True:
                return
            time.sleep(0.05)
        raise AssertionError(f"{condition} is still false in {self.run('document.body.innerText')[:500]}")

    def choose_file(self, path: Path) -> None:
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector="input[type=file]")["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def drop_file(self, path: Path) -> None:
        """Drag a file of the desktop onto the field for files."""
        x, y = self.run(
            "(box => [box.x + box.width / 2, box.y + box.height / 2])"
            "(document.querySelector('input[type=file]').getBoundingClientRect())"
        )
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def press(self, key: str) -> None:
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        text = {"text": "\r"} if key == "Enter" else {"text": " "} if key == " " else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                windowsVirtualKeyCode=code,
                **(text if kind == "keyDown" else {}),
            )

    def screenshot(self) -> bytes:
        return b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])


@contextmanager
def driven_browser(*, width: int = 1_000) -> Iterator[DrivenBrowser]:
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as folder:
        command = [
            tool("chromium"),
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            f"--window-size={width},900",
            "about:blank",
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stderr is not None
                address = next(line.split()[-1] for line in process.stderr if "DevTools listening on" in line)
                with connect(address, max_size=None, proxy=None) as browser:
                    browser.send(json.dumps({"id": 0, "method": "Target.getTargets"}))
                    found = json.loads(browser.recv(_TIMEOUT_S))["result"]["targetInfos"]
                target = next(one["targetId"] for one in found if one["type"] == "page")
                page = f"{address.partition('/devtools/')[0]}/devtools/page/{target}"
                with connect(page, max_size=None, proxy=None) as socket:
                    yield DrivenBrowser(socket)
            finally:
                process.terminate()
