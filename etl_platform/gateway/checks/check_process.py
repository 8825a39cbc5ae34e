"""Starts the process of one check with nothing of this one's environment, and ends it when its time is over."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from etl_platform.engine.web_check.file_form import RefusedPostError
from etl_platform.gateway.checks.check_child import CheckJob, answer_path, too_much

_INHERITED = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH", "TZ")
"""No credentials, and no address of anything."""
_CHILD = "etl_platform.gateway.checks.check_child"


def run_check(job: CheckJob) -> tuple[dict[str, Any], bytes]:
    """What may be logged of a verdict, and the answer.

    Raises:
        RefusedPostError: there is no verdict.
    """
    folder = str(Path(job.path).parent)
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment |= {"HOME": folder, "TMPDIR": folder, "POLARS_MAX_THREADS": "2"}
    try:
        done = subprocess.run(
            # -P: what lies in the working folder is not imported.
            [sys.executable, "-P", "-m", _CHILD],
            input=json.dumps(asdict(job)).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=folder,
            timeout=job.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = (
            f"The check of this file takes more than the {job.seconds} s that it has here; check it with the program "
            "on your own computer."
        )
        raise RefusedPostError(422, "too_slow", message) from None
    if done.returncode:
        # Polars ends the process when it gets no more memory.
        lacking = too_much(job.memory_mib)
        raise RefusedPostError(lacking.status, lacking.code, lacking.message)
    found = json.loads(done.stdout)
    if found["status"] != 200:
        message = found["message"] or "The check failed, which is a fault on our side; ask the data team."
        raise RefusedPostError(found["status"], found["code"], message, found.get("meant", ""))
    return found, answer_path(job).read_bytes()
