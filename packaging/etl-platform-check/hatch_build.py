"""Builds the small distribution from the platform's source: the engine under an import name of its own.

Both distributions may be installed in one environment, so they share no file: ``etl_platform.engine`` becomes
``etl_platform_check.engine``. That name is all that differs.
"""

import os
import re
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

PROJECT = Path(__file__).parents[2]
PACKAGE = "etl_platform_check"
_DATA = ("*.css", "*.jinja")
"""Files of the engine that are no modules."""
_CONTRACT_FILE = re.compile(r"[^/]+\.odcs\.ya?ml|references/[^/]+\.csv|agencies/[^/]+/[^/]+\.yaml")
"""What senders get of the folder of contracts. contacts.yaml is not for them: it has addresses of people."""
_OTHER_IMPORT = re.compile(r"^\s*(?:from|import) etl_platform\b.*$", re.MULTILINE)


class PlatformMetadata(MetadataHookInterface):
    """Version, Python and bounds of the dependencies, from the platform's pyproject.toml."""

    def update(self, metadata: dict[str, Any]) -> None:
        project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
        required = {re.split(r"[<>=!~ ]", text)[0]: text for text in project["dependencies"]}
        metadata["version"] = project["version"]
        metadata["requires-python"] = project["requires-python"]
        metadata["dependencies"] = [required[name] for name in self.config["dependencies"]]
        metadata["optional-dependencies"] = {"pandas": [required[name] for name in self.config["pandas"]]}


class EnginePackage(BuildHookInterface[Any]):
    """Puts the engine and the contracts into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._source = Path(tempfile.mkdtemp(prefix=PACKAGE))
        shutil.copy(PROJECT / "etl_platform" / "__init__.py", self._source)
        for module in (PROJECT / "etl_platform" / "engine").rglob("*.py"):
            text = module.read_text("utf-8").replace("etl_platform.engine", f"{PACKAGE}.engine")
            if found := _OTHER_IMPORT.search(text):
                raise ValueError(f"{module}: {found.group().strip()!r} leaves the engine, which this wheel has alone")
            copy = self._source / module.relative_to(PROJECT / "etl_platform")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text, "utf-8")
        for name in _DATA:
            for found in (PROJECT / "etl_platform" / "engine").rglob(name):
                shutil.copy(found, self._source / found.relative_to(PROJECT / "etl_platform"))
        contracts = Path(os.environ.get("CONTRACTS_DIR") or PROJECT / "contracts")
        names = [
            name
            for path in contracts.rglob("*")
            if _CONTRACT_FILE.fullmatch(name := path.relative_to(contracts).as_posix())
        ]
        if not names:
            raise ValueError(f"{contracts} has no contracts; set CONTRACTS_DIR to the whole path of a folder that has")
        build_data["force_include"] |= {str(self._source): PACKAGE} | {
            str(contracts / name): f"{PACKAGE}/shipped/contracts/{name}" for name in names
        }

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._source)
