"""Runs a script in a page with headless Chromium, and gives what it found. No tests."""

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.tools import MissingToolError, tool

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
_FOUND = re.compile(r'<pre id="found-by-test">(.*?)</pre>', re.DOTALL)
_WRITE = """
const write = found => {
  const place = document.createElement('pre');
  place.id = 'found-by-test';
  place.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(found))));
  document.body.appendChild(place);
};
"""


def axe() -> str:
    """The script of axe-core, which finds faults of accessibility."""
    found = next((REPOSITORY / ".deploy").glob("lib/python3.*/site-packages/axe_playwright_python/axe.min.js"), None)
    if found is None:
        raise MissingToolError("axe is not installed; make deploy-check installs it")
    return found.read_text("utf-8")


def run_in_page(page: str, script: str, *, width: int = 1_000, with_policy: bool = False) -> Any:
    """What ``script`` gives to ``write``, run in a page of this width.

    Args:
        with_policy: keep the page's content security policy, which forbids the script as well.
    """
    from base64 import b64decode

    dump = dump_page(page if with_policy else _POLICY.sub("", page), f"{_WRITE}{script}", width)
    found = _FOUND.search(dump)
    assert found is not None, dump[-2_000:]
    return json.loads(b64decode(found[1]))


def dump_page(page: str, script: str, width: int) -> str:
    """The page's document after all scripts of it have run."""
    with tempfile.TemporaryDirectory(prefix="browser-") as folder:
        file = Path(folder) / "page.html"
        file.write_text(page.replace("</body>", f"<script>{script}</script></body>"), "utf-8")
        done = subprocess.run(
            [
                tool("chromium"),
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                f"--user-data-dir={folder}/profile",
                f"--window-size={width},900",
                "--virtual-time-budget=10000",
                "--dump-dom",
                file.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    return done.stdout
