"""Platform processes at a hundredth of their price: forked from one that has imported everything and run nothing.

Started as ``python -m etl_platform_tests.faults.zygote``. One JSON command a line on stdin; for each, a child whose
process id and, when it has ended, wait status are answered on stdout. A fork copies only the thread that calls it,
so nothing here may start one: Polars starts its pool, and boto3 its connections, in the children.
"""

import contextlib
import gc
import io
import json
import os
import sys
import tempfile
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    warm = _warm_up()
    print(json.dumps({"threads": threading.active_count()}), file=answers)
    for line in sys.stdin:
        command = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(warm, command)
        print(json.dumps({"pid": pid}), file=answers)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), file=answers)


@dataclass(frozen=True)
class _Warm:
    """What every child would make anew in the same way."""

    platform: Any
    definitions: Any


def _warm_up() -> _Warm:
    """Import what a run imports, for the children's sake: opening a storage alone costs a second of imports."""
    import boto3  # noqa: F401
    import dagster as dg
    import obstore  # noqa: F401
    import polars  # noqa: F401
    import sqlalchemy.dialects.postgresql.psycopg2  # noqa: F401

    import etl_platform.engine.check  # noqa: F401
    from etl_platform.attachments import object_copies  # noqa: F401
    from etl_platform.aws import queue  # noqa: F401
    from etl_platform.definitions import build_defs
    from etl_platform.defs.intake.intake_assets import JOB_NAME
    from etl_platform.platform import Platform
    from etl_platform.storage import s3_store  # noqa: F401

    # A Platform reads its settings when it is first asked for them: in the child, from the child's environment.
    platform = Platform()
    definitions = build_defs(platform=platform)
    definitions.resolve_job_def(JOB_NAME)
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "dagster.yaml").touch()
        with dg.DagsterInstance.from_config(home) as instance:
            instance.get_run_records(limit=1)
    # What is here now stays as it is: collections in the children would copy every page of it.
    gc.collect()
    gc.freeze()
    return _Warm(platform, definitions)


def _child(warm: _Warm, command: dict[str, Any]) -> None:
    """Do one thing as a process of the platform and end without going back."""
    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(command["environment"])
    try:
        answer = {"tick": _tick, "run": _run, "materialize": _materialize, "cli": _cli}[command["do"]](warm, command)
        Path(command["answer"]).write_text(json.dumps(answer), "utf-8")
        status = 0
    except BaseException:  # noqa: BLE001 - the process's edge: its log says why, its status that
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _tick(warm: _Warm, command: dict[str, Any]) -> dict[str, Any]:
    """One evaluation of a sensor; its run requests as a daemon would submit them."""
    import dagster as dg

    sensor = warm.definitions.resolve_sensor_def(command.get("sensor", "file_arrivals_sensor"))
    repository = warm.definitions.get_repository_def()
    with (
        _instance() as instance,
        dg.build_sensor_context(
            instance=instance, repository_def=repository, resources={"platform": warm.platform}
        ) as context,
    ):
        found = sensor.evaluate_tick(context)
    requests = [
        {
            "run_key": request.run_key,
            "job": request.job_name,
            "run_config": request.run_config,
            "tags": {**request.tags, "dagster/sensor_name": sensor.name},
            "selection": [key.path for key in request.asset_selection or []],
        }
        for request in found.run_requests or []
    ]
    return {"requests": requests, "skipped": found.skip_message}


def _run(warm: _Warm, command: dict[str, Any]) -> dict[str, Any]:
    """The job with what a tick asked for."""
    import dagster as dg

    request = command["request"]
    selection = [dg.AssetKey(path) for path in request["selection"]]
    return _execute(
        warm,
        request["job"],
        run_config=request["run_config"],
        tags=request["tags"],
        # The job of ignored files has no assets.
        **({"asset_selection": selection} if selection else {}),
    )


def _materialize(warm: _Warm, command: dict[str, Any]) -> dict[str, Any]:
    """The job over a partition of the officers, as the UI starts it."""
    import dagster as dg

    officers = [dg.AssetKey([layer, "officer_detail"]) for layer in ("bronze", "silver")]
    return _execute(warm, "s3_data_quality_job", partition_key=command["partition"], asset_selection=officers)


def _execute(warm: _Warm, job_name: str, **how: Any) -> dict[str, Any]:
    job = warm.definitions.resolve_job_def(job_name)
    with _instance() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False, **how)
    return {"success": result.success, "outcomes": [str(item.outcome) for item in warm.platform.finished]}


def _cli(warm: _Warm, command: dict[str, Any]) -> dict[str, Any]:
    from etl_platform.cli.main import main as etl_platform

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = etl_platform(command["arguments"])
    return {"exit": code, "printed": printed.getvalue()}


def _instance() -> Any:
    import dagster as dg

    return dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"])


if __name__ == "__main__":
    main()
