"""Stand-ins for terraform, helm and others on PATH: they note how they were called and answer from a table."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python} -IS
import json, os, sys
folder, name = {folder!r}, os.path.basename(sys.argv[0])
arguments = sys.argv[1:]
line = " ".join([name, *arguments])
# Read by those alone that really do: what a person types is for the script.
reads = any(word in line for word in ("console", "stdin", "--filename=-"))
text = sys.stdin.read() if reads else ""
noted = {{"line": line, "stdin": text, "environment": dict(os.environ)}}
for option in ("--values", "--metadata-file"):
    if option in arguments and os.path.exists(path := arguments[len(arguments) - arguments[::-1].index(option)]):
        noted[option] = open(path).read()
with open(os.path.join(folder, "calls.jsonl"), "a") as calls:
    calls.write(json.dumps(noted) + "\\n")
with open(os.path.join(folder, "answers.json")) as table:
    answer = next((row for row in json.load(table) if all(part in line for part in row["call"])), None)
if answer is None:
    sys.exit(f"the test has no answer for: {{line}}")
if "metadata" in answer:
    with open(arguments[arguments.index("--metadata-file") + 1], "w") as file:
        file.write(answer["metadata"])
sys.stdout.write(answer.get("out", ""))
sys.stderr.write(answer.get("err", ""))
sys.exit(answer.get("code", 0))
"""


@dataclass(frozen=True)
class Call:
    line: str
    stdin: str
    environment: dict[str, str]
    values: dict[str, Any] | None


class StandIns:
    """``path`` goes first in PATH. Answers are looked through from the newest to the oldest."""

    def __init__(self, folder: Path, *programs: str) -> None:
        self.path = folder / "bin"
        self._folder = folder
        self._answers: list[dict[str, Any]] = []
        self.path.mkdir(parents=True)
        for program in programs:
            (self.path / program).write_text(_PROGRAM.format(python=sys.executable, folder=str(folder)))
            (self.path / program).chmod(0o755)

    def answer(self, *parts: str, **answer: Any) -> None:
        """What a call is answered whose line holds all ``parts``: out, err, code, metadata."""
        self._answers.insert(0, {"call": parts, **answer})
        (self._folder / "answers.json").write_text(json.dumps(self._answers))

    def environment(self) -> dict[str, str]:
        """Nothing of the person's own set-up but what a shell needs."""
        return {"PATH": os.pathsep.join([str(self.path), "/usr/bin", "/bin"]), "HOME": str(self._folder)}

    def calls(self) -> list[Call]:
        path = self._folder / "calls.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [
            Call(
                row["line"],
                row["stdin"],
                row["environment"],
                json.loads(row["--values"]) if "--values" in row else None,
            )
            for row in rows
        ]

    def lines(self, *programs: str) -> list[str]:
        return [call.line for call in self.calls() if call.line.split()[0] in programs]
