"""Looks the locked packages up in PyPI's database of vulnerabilities, by pip-audit. Called by ``make audit``.

Exit codes: 0 no known vulnerability, 1 some, 2 not every package was looked up. pip-audit itself ends with 0 even if it
found no package at all.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_PROGRAM = Path(__file__).parents[2] / ".deploy" / "bin" / "pip-audit"
_OPTIONS = ("--disable-pip", "--require-hashes", "--progress-spinner=off", "--timeout=15", "--format=json")
_SHOWN = 3


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        program = [str(_PROGRAM), "--requirement", sys.argv[1], *_OPTIONS, "--output", str(answer)]
        done = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        found = json.loads(answer.read_text("utf-8"))["dependencies"] if answer.exists() else []
    if not found:
        error = next(reversed(done.stdout.strip().splitlines()), f"exit code {done.returncode}")
        print(
            f"nothing was looked up, because pip-audit failed; is https://pypi.org reachable? {error}", file=sys.stderr
        )
        return 2
    code, lines = verdict(found)
    print(*lines, sep="\n", file=sys.stderr if code else sys.stdout)
    return code


def verdict(found: Sequence[Mapping[str, Any]]) -> tuple[int, list[str]]:
    """Exit code and lines to print for the dependencies of pip-audit's answer."""
    skipped = [one["name"] for one in found if "skip_reason" in one]
    lines = [
        f"{one['name']} {one['version']}: {flaw['id']}, {_fixed(flaw['fix_versions'])}"
        for one in found
        for flaw in one.get("vulns", ())
    ]
    if skipped:
        named = ", ".join([*skipped[:_SHOWN], *["…"][: len(skipped) > _SHOWN]])
        lines.append(
            f"{len(skipped)} of {len(found)} packages were not looked up, because the database does not have them: "
            f"{named}. A mirror of PyPI may lack its JSON API: run this where https://pypi.org is reachable"
        )
        return 2, lines
    if lines:
        return 1, [*lines, "Raise the versions with `uv lock --upgrade-package NAME`, and build the image again"]
    return 0, [f"no known vulnerability in {len(found)} packages"]


def _fixed(versions: Sequence[str]) -> str:
    return f"fixed in {', '.join(versions)}" if versions else "not fixed yet"


if __name__ == "__main__":
    sys.exit(main())
