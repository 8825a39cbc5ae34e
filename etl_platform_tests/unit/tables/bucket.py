"""A local root with silver of a dataset ``things``, and a store that changes while it is read. No tests."""

from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform.storage.local_store import LocalStore
from etl_platform.storage.object_store import ObjectHead
from etl_platform.testing import write_silver
from etl_platform_tests.unit.making import contract_data, text, typed, yaml_text

PROPERTIES = [
    text("ident", required=True, synonyms=[{"synonym": "The Ident"}]),
    typed("size", "integer"),
    typed("share", "number"),
    typed("fee", "number", physicalType="decimal(10,2)"),
    typed("flag", "boolean"),
    typed("day", "date"),
    typed("moment", "timestamp"),
    typed("hour", "time"),
]
ROW: dict[str, Any] = {
    "ident": "a",
    "size": 7,
    "share": 0.25,
    "fee": Decimal("1.50"),
    "flag": True,
    "day": date(2026, 1, 31),
    "hour": time(9, 5),
}


class Bucket:
    """A local root and the contracts of a dataset ``things``."""

    def __init__(self, folder: Path) -> None:
        self.root, self.contracts_dir = folder / "root", folder / "contracts"
        self.contracts_dir.mkdir()
        self.agree(PROPERTIES)

    def agree(self, properties: list[dict[str, Any]]) -> None:
        """Replace the contract."""
        (self.contracts_dir / "things.odcs.yaml").write_text(yaml_text(contract_data(properties)))

    @property
    def platform(self) -> Platform:
        return Platform(Settings(local_s3_root=self.root, contracts_dir=self.contracts_dir))

    def write(self, agency: str, *rows: dict[str, Any], file_name: str = "things.csv") -> str:
        return write_silver(self.root, "things", agency, rows, file_name=file_name, contracts_dir=self.contracts_dir)

    def watched(self, before_download: Callable[[ObjectHead], object]) -> Platform:
        """A platform that calls ``before_download`` with each object."""
        platform = self.platform
        platform.store = _WatchedStore(self.root, before_download)
        return platform


class _WatchedStore(LocalStore):
    def __init__(self, root: Path, before_download: Callable[[ObjectHead], object]) -> None:
        super().__init__(root)
        self._before_download = before_download

    def download(self, head: ObjectHead, path: Path) -> str:
        self._before_download(head)
        return super().download(head, path)
