"""Checks with the real engine, each made only once. No tests."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

from etl_platform.engine import check
from etl_platform.engine.reading import expected_memory
from etl_platform.engine.split import QUARANTINE, SILVER
from etl_platform_tests.simulation.run_memory import RunMemory, needed_bytes

_NO_DELIVERY = "0" * 20
_checked: dict[Any, tuple[Any, dict[str, bytes]]] = {}


@contextmanager
def checks_made_once(memory: RunMemory | None = None) -> Iterator[None]:
    """Check the same bytes under the same contract on the same day only once, with the real engine.

    The result depends on nothing else but the delivery id in the footer, which is replaced. Checks would otherwise
    take longer than the rest of a schedule.

    Args:
        memory: of the runs, if checks need much of it, and time.
    """
    real = check.check_file

    def check_once(
        path: Path, contract: Any, out_dir: Path, *, as_of: Any, delivery_id: str, corrections: Any = None, **_: Any
    ) -> Any:
        """Without the previous files of the series: by these, only the texts about renamed columns differ."""
        assert not corrections, "a result that depends on corrections is not kept"
        key = path.read_bytes(), contract.sha256, as_of
        if key not in _checked:
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "delivery").write_bytes(key[0])
                result = real(Path(folder) / "delivery", contract, Path(folder), as_of=as_of, delivery_id=_NO_DELIVERY)
                names = (SILVER, QUARANTINE)
                made = {n: (Path(folder) / n).read_bytes() for n in names if (Path(folder) / n).exists()}
            _checked[key] = result, made
        result, made = _checked[key]
        with nullcontext() if memory is None else memory.use(needed_bytes(key[0])):
            pass
        for name, content in made.items():
            (out_dir / name).write_bytes(content.replace(_NO_DELIVERY.encode(), delivery_id.encode()))
        return result

    def expected(path: Path) -> int:
        return needed_bytes(path.read_bytes())

    ours = nullcontext() if memory is None else mock.patch.object(expected_memory, "expected_memory_bytes", expected)
    with mock.patch.object(check, "check_file", check_once), ours:
        yield
