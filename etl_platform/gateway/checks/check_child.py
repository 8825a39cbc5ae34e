"""The process that checks one posted file and ends: its own limits first, then the engine. No network, no log.

It gets a job as JSON on stdin, writes the answer beside the file, and prints what the gateway may log as JSON.
"""

import json
import os
import resource
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_MIB = 1 << 20
_WITHOUT_A_FILE = 150 * _MIB
"""Python, Polars and their threads."""
_MAX_WRITTEN_BYTES = 1 << 30


@dataclass(frozen=True)
class CheckJob:
    """One posted file.

    Attributes:
        path: the file, in a folder of its own; the answer is ``answer`` beside it.
        as_page: a page for people instead of JSON.
        at: ISO time of the post, UTC.
    """

    path: str
    name: str
    sha256: str
    dataset: str
    agency: str
    as_page: bool
    contracts_dir: str
    at: str
    memory_mib: int
    seconds: int


def answer_path(job: CheckJob) -> Path:
    return Path(job.path).with_name("answer")


def main() -> int:
    job = CheckJob(**json.load(sys.stdin))
    _limit(job)
    print(json.dumps(_outcome(job)))
    return 0


def _limit(job: CheckJob) -> None:
    # Posts of SNS, and health, go first.
    os.nice(10)
    # Memory that is written: Polars reserves addresses by the gigabyte.
    _set(resource.RLIMIT_DATA, job.memory_mib * _MIB)
    # Polars has two threads.
    _set(resource.RLIMIT_CPU, 2 * job.seconds)
    _set(resource.RLIMIT_FSIZE, _MAX_WRITTEN_BYTES)
    _set(resource.RLIMIT_CORE, 0)


def _set(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def _outcome(job: CheckJob) -> dict[str, Any]:
    from etl_platform.engine.machine_errors import machine_error
    from etl_platform.engine.web_check.file_form import RefusedPostError

    try:
        return _check(job)
    except RefusedPostError as error:
        return {"status": error.status, "code": error.code, "message": error.message, "meant": error.dataset}
    except Exception as error:  # noqa: BLE001 - the edge of a process; a message may quote the file
        if machine_error(error) or isinstance(error, MemoryError):
            return asdict(too_much(job.memory_mib))
        return {"status": 500, "code": "failed", "message": "", "error_type": type(error).__name__}


@dataclass(frozen=True)
class Refusal:
    """Why a file has no verdict."""

    status: int
    code: str
    message: str


def too_much(memory_mib: int) -> Refusal:
    message = (
        f"The check of this file needs more memory than it has here ({memory_mib:,} MiB); check it with the program on "
        "your own computer."
    )
    return Refusal(422, "too_much_memory", message)


def _check(job: CheckJob) -> dict[str, Any]:
    from etl_platform.engine.check_contracts import CheckContracts
    from etl_platform.engine.contract_folder import read_folder
    from etl_platform.engine.reading.expected_memory import expected_memory_bytes
    from etl_platform.engine.web_check.posted_file import PostedFile, check_posted, verdict_page, verdict_report
    from etl_platform.gateway.checks.receipts import receipt_code

    path, at = Path(job.path), datetime.fromisoformat(job.at)
    if expected_memory_bytes(path) + _WITHOUT_A_FILE > job.memory_mib * _MIB:
        return asdict(too_much(job.memory_mib))
    contracts = CheckContracts(folder=read_folder(Path(job.contracts_dir)), at=at)
    verdict = check_posted(PostedFile(path, job.name, job.dataset, job.agency), contracts, path.parent)
    checked, contract = verdict.checked, verdict.checked.contract
    assert contract is not None
    receipt = receipt_code(job.sha256, contract.sha256, at)
    if job.as_page:
        answer = verdict_page(verdict, back="/check", receipt=receipt)
    else:
        answer = json.dumps(verdict_report(verdict, receipt), ensure_ascii=False)
    answer_path(job).write_text(answer, "utf-8", "surrogatepass")
    return {
        "status": 200,
        "outcome": str(checked.result.outcome),
        "receipt": receipt,
        "dataset": contract.dataset,
        "contract_version": contract.version,
    }


if __name__ == "__main__":
    sys.exit(main())
