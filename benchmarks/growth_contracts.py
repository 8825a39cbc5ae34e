"""CPU seconds of what grows with the number of contracts; for ``make bench-growth``.

Each step is a process of its own, as in production, and its CPU time includes the imports. The contracts are those that
are shipped, under other names.
"""

import csv
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from etl_platform.local.sample_rows import officer_rows

CONTRACTS = (6, 100, 1_000)
_SHIPPED = Path(__file__).parents[1] / "contracts"
_BIN = Path(sys.executable).parent
_RUN = "s3_data_quality_job"
_KEY = "from_client/nm_albuquerque/Officer_Detail.csv"
_LOAD = """
from pathlib import Path
from etl_platform.engine.contract_folder import read_folder
assert not read_folder(Path({folder!r})).broken
"""
_DEFINITIONS = """
from etl_platform.definitions import defs
defs().get_repository_def().get_all_jobs()
"""
_TICK = """
import time
import dagster as dg
from dagster._core.execution.api import create_execution_plan
from etl_platform.definitions import defs
from etl_platform.deliveries.agency_register import Agencies
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.routing import Router
from etl_platform.engine.contract_folder import read_folder
from etl_platform.settings import load_settings
repository = defs().get_repository_def()
job = repository.get_job("s3_data_quality_job")
good = read_folder(load_settings().contracts_dir).good
began = time.process_time()
router = Router(good, "from_client/", Agencies())
names = [one.physical_name for one in good.values()]
files = [ObjectVersion("b", f"from_client/a/{{names[n % len(names)]}}") for n in range(1_000)]
assert all(router.route(file).route.dataset for file in files)
assets = {{dg.AssetKey([layer, "officer_detail"]) for layer in ("bronze", "silver")}}
subset = job.get_subset(asset_selection=assets, asset_check_selection=set())
create_execution_plan(subset, run_config={{"ops": {{"ingest": {{"config": {{"deliveries": []}}}}}}}})
subset.get_job_snapshot()
print(time.process_time() - began)
"""


def cpu_seconds(contracts: int) -> dict[str, float]:
    """CPU seconds of each step with so many contracts."""
    with tempfile.TemporaryDirectory(prefix="growth-") as place:
        root = Path(place)
        folder = root / "contracts"
        write_contracts(folder, contracts)
        environment = _environment(root, folder)
        python = [sys.executable, "-c"]
        steps: dict[str, Callable[[], float]] = {
            "read the contracts": lambda: _cpu([*python, _LOAD.format(folder=str(folder))], environment),
            "load the definitions with their jobs": lambda: _cpu([*python, _DEFINITIONS], environment),
            "a tick: route 1,000 files, and make the job of a run": lambda: float(
                _output([*python, _TICK.format()], environment)
            ),
            f"`run {_RUN}` of a file": lambda: _cpu(_hand_run(root), environment),
            "`contract check`": lambda: _cpu([str(_BIN / "etl-platform"), "contract", "check"], environment),
        }
        return {name: step() for name, step in steps.items()}


def write_contracts(folder: Path, number: int) -> None:
    """The shipped contracts, then copies of them with other ids, datasets and file names."""
    shutil.copytree(_SHIPPED, folder, ignore=shutil.ignore_patterns("*.odcs.yaml"))
    shipped = sorted(_SHIPPED.glob("*.odcs.yaml"))
    for place in range(number):
        text = shipped[place % len(shipped)].read_text("utf-8")
        if place >= len(shipped):
            # In front of the names, so that no pattern of another contract matches them.
            prefix = f"c{place:04}_"
            text = re.sub(r"(?m)^id: ", rf"\g<0>{prefix}", text)
            physical_name = rf"\g<1>{prefix}\g<2>{prefix.title()}"
            text = re.sub(r"(?m)^(  - name: )(\w+\n    physicalName: )", physical_name, text, count=1)
            lines = text.splitlines(keepends=True)
            text = "".join(re.sub(r"'(?=\w)", f"'{prefix}", ln) if "filePatterns" in ln else ln for ln in lines)
        (folder / f"c{place:04}.odcs.yaml").write_text(text, "utf-8")


def _environment(root: Path, folder: Path) -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    (root / "home").mkdir()
    return kept | {
        "CONTRACTS_DIR": str(folder),
        "LOCAL_S3_ROOT": str(root / "objects"),
        "DAGSTER_HOME": str(root / "home"),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }


def _hand_run(root: Path) -> Sequence[str]:
    path, event = root / "objects" / _KEY, root / "event.json"
    path.parent.mkdir(parents=True)
    rows = officer_rows(random.Random(1), 50, "A")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    document = json.loads((_SHIPPED / "event.json").read_text("utf-8"))
    s3 = document["Records"][0]["s3"]
    s3["bucket"]["name"], s3["object"] = "local", {"key": _KEY, "size": path.stat().st_size}
    event.write_text(json.dumps(document), "utf-8")
    return [str(_BIN / "etl-platform"), "run", _RUN, "--", "--events-file", str(event)]


def _cpu(command: Sequence[str], environment: Mapping[str, str]) -> float:
    before = _children()
    _output(command, environment)
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _output(command: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        # What it cost until then is no measurement.
        raise SystemExit(f"{command[-1][:80]} ended with exit code {done.returncode}: {done.stderr[-2_000:]}")
    return done.stdout
