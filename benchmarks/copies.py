"""``make bench-copies``: 1,000 small server-side copies by get_s3_files_job, obstore, boto3 and rclone.

All contenders use one emulator, in turn, in several rounds, with empty destination buckets. CPU is that of the client
process. The emulator makes one copy at a time, so differences in wall time come from the clients.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from etl_platform.local.emulator import Emulator
from etl_platform.local.provision import KEY_ID, KEY_SECRET, REGION, Clients, open_clients
from etl_platform.local.stack import inherited_environment

RESULTS = Path(__file__).parent / "COPIES.md"
SOURCE = "etl-copies-source"
AT_ONCE, BOTO3_THREADS, ROUNDS = 64, 32, 5
CPU_LIMIT, WALL_LIMIT = 1.5, 1.0
ABOUT = {
    "obstore": f"obstore, {AT_ONCE} bare copies at once",
    "ours": "get_s3_files_job: look up, copy, look again",
    "boto3": f"boto3, {BOTO3_THREADS} threads",
    "rclone": f"rclone copy --fast-list, {AT_ONCE} transfers",
}
# .venv/bin comes first in it.
_RCLONE = shutil.which("rclone", path=inherited_environment()["PATH"]) or "rclone"


def keys(count: int) -> list[str]:
    return [f"documents/10/{number:06}/Report.pdf" for number in range(count)]


def ours(endpoint_url: str, destination: str, count: int) -> Callable[[], None]:
    """The work of the job from the database's rows to the metadata rows, without writing the metadata table."""
    import obstore.auth.boto3  # noqa: F401 - import before the measurement starts

    from etl_platform.application_db.agencies import Agency
    from etl_platform.application_db.attachment_file import AttachmentFile
    from etl_platform.attachments.object_copies import ObjectCopies
    from etl_platform.attachments.plan import Status, destination_keys, metadata_rows, plan_copies
    from etl_platform.settings import Settings

    settings = Settings(aws_endpoint_url=endpoint_url, copies_at_once=AT_ONCE)
    copies = ObjectCopies(settings, SOURCE, destination)
    files = [AttachmentFile(number, key, "Report.pdf", None, None) for number, key in enumerate(keys(count))]

    def work() -> None:
        wanted = destination_keys(files, "nm")
        sources = copies.find_sources(file.source_key for file in files)
        plan = plan_copies(wanted, sources, copies.find_copies(wanted), {})
        problems = copies.copy(plan.copies, lambda: None)
        copied = copies.find_copies([copy.destination_key for copy in plan.copies])
        buckets = (SOURCE, destination)
        rows = metadata_rows(
            Agency(10, "nm", "NM"), buckets, wanted, sources=sources, targets=copied, problems=problems
        )
        assert all(row.status == Status.COPIED for row in rows)

    return work


def obstore(endpoint_url: str, destination: str, count: int) -> Callable[[], None]:
    """Only the copies."""
    from obstore.store import S3Store

    store = S3Store(
        SOURCE,
        endpoint=f"{endpoint_url}/{destination}",
        virtual_hosted_style_request=True,
        region=REGION,
        access_key_id=KEY_ID,
        secret_access_key=KEY_SECRET,
        client_options={"allow_http": True},
    )

    async def copy_all() -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def copy(key: str) -> None:
            async with gate:
                await store.copy_async(key, key)

        await asyncio.gather(*(copy(key) for key in keys(count)))

    return lambda: asyncio.run(copy_all())


def boto3(endpoint_url: str, destination: str, count: int) -> Callable[[], None]:
    """Only the copies, in the usual way."""
    import boto3 as aws
    from botocore.config import Config

    s3 = aws.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=KEY_SECRET,
        config=Config(max_pool_connections=BOTO3_THREADS),
    )

    def copy(key: str) -> None:
        s3.copy_object(Bucket=destination, Key=key, CopySource={"Bucket": SOURCE, "Key": key})

    def work() -> None:
        with ThreadPoolExecutor(BOTO3_THREADS) as pool:
            for done in [pool.submit(copy, key) for key in keys(count)]:
                done.result()

    return work


IN_PROCESS: dict[str, Callable[[str, str, int], Callable[[], None]]] = {
    function.__name__: function for function in (ours, obstore, boto3)
}


def rclone_command(endpoint_url: str, destination: str) -> list[str]:
    remote = (
        f":s3,provider=Other,env_auth=false,access_key_id={KEY_ID},secret_access_key={KEY_SECRET},region={REGION},"
        f"force_path_style=true,no_check_bucket=true,endpoint='{endpoint_url}':"
    )
    # Without --fast-list it would list every folder separately, and each attachment has its own.
    flags = ["--fast-list", "--transfers", str(AT_ONCE), "--checkers", str(AT_ONCE), "--config", os.devnull]
    return [_RCLONE, "copy", f"{remote}{SOURCE}", f"{remote}{destination}", *flags]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-copies ARGS=", description=__doc__)
    parser.add_argument("--files", type=int, default=1_000, help="copies [1,000]")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds, each with all contenders [{ROUNDS}]")
    parser.add_argument("--child", nargs=3, metavar=("NAME", "ENDPOINT", "BUCKET"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        name, endpoint_url, destination = arguments.child
        print(json.dumps(_measured(IN_PROCESS[name](endpoint_url, destination, arguments.files))), flush=True)
        # A thread of obstore that ends a copy during the shutdown of Python would abort the process.
        os._exit(0)
    if shutil.which(_RCLONE) is None:
        parser.error("rclone is not installed; start this benchmark with make bench-copies, which installs it")
    found = _compare(arguments.files, arguments.rounds)
    text, good = _report(found, arguments.files, arguments.rounds)
    print(text)
    RESULTS.write_text(text, "utf-8")
    return 0 if good else 1


def _measured(work: Callable[[], None]) -> dict[str, float]:
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": cpu, "wall": time.monotonic() - started}


def _compare(files: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ABOUT}
    with ExitStack() as contexts:
        folder = Path(contexts.enter_context(tempfile.TemporaryDirectory(prefix="etl-platform-copies-")))
        emulator = contexts.enter_context(Emulator(folder, environment=inherited_environment()))
        aws = contexts.enter_context(open_clients(emulator.endpoint_url))
        _fill(aws, files)
        for turn in range(rounds):
            # Rotate the order, so that no contender always runs first.
            order = list(ABOUT)[turn % len(ABOUT) :] + list(ABOUT)[: turn % len(ABOUT)]
            for name in order:
                print(f"round {turn + 1}: {ABOUT[name]} …", file=sys.stderr)
                destination = f"etl-copies-{name}-{turn}"
                aws.s3.create_bucket(Bucket=destination)
                found[name].append(_run(name, emulator.endpoint_url, destination, files))
                _expect(aws, destination, files)
    return found


def _run(name: str, endpoint_url: str, destination: str, files: int) -> dict[str, float]:
    environment = {**inherited_environment(), "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY_SECRET}
    child = [sys.executable, "-m", "benchmarks.copies", "--files", str(files), "--child", name]
    command = rclone_command(endpoint_url, destination) if name == "rclone" else [*child, endpoint_url, destination]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment | _python_path())
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{ABOUT[name]} failed with status {os.waitstatus_to_exitcode(status)}; its output is above")
    whole = {"cpu": usage.ru_utime + usage.ru_stime, "wall": time.monotonic() - started}
    # Start and imports of Python are measured separately; rclone, a Go program, starts immediately.
    measured: dict[str, float] = whole if name == "rclone" else json.loads(output)
    return measured | {"process_cpu": whole["cpu"], "process_wall": whole["wall"]}


def _python_path() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(__file__).parents[1])}


def _fill(aws: Clients, files: int) -> None:
    aws.s3.create_bucket(Bucket=SOURCE)

    def put(key: str) -> None:
        aws.s3.put_object(Bucket=SOURCE, Key=key, Body=key.encode() * 20)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(put, key) for key in keys(files)]:
            done.result()


def _expect(aws: Clients, bucket: str, files: int) -> None:
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    there = sum(page["KeyCount"] for page in pages)
    if there != files:
        raise SystemExit(f"expected {files:,} objects in {bucket}, found {there:,}")


def _report(found: dict[str, list[dict[str, float]]], files: int, rounds: int) -> tuple[str, bool]:
    middle: dict[str, dict[str, float]] = {
        name: {what: statistics.median(run[what] for run in runs) for what in runs[0]} for name, runs in found.items()
    }
    mine = middle["ours"]
    rclone = subprocess.run([_RCLONE, "version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    lines = [
        f"# {files:,} small copies",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}, obstore {version('obstore')}, boto3 {version('boto3')}, {rclone}. Medians of "
        f"{rounds} rounds, all contenders in turn on one emulator. Made by `make bench-copies`; read the ratios.",
        "",
        "| | CPU s | wall s | our CPU | our wall | CPU s with start | wall s with start |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {about} | {middle[name]['cpu']:.2f} | {middle[name]['wall']:.2f} | "
        f"{mine['cpu'] / middle[name]['cpu']:.2f}× | {mine['wall'] / middle[name]['wall']:.2f}× | "
        f"{middle[name]['process_cpu']:.2f} | {middle[name]['process_wall']:.2f} |"
        for name, about in ABOUT.items()
    ]
    cpu, wall = mine["cpu"] / middle["obstore"]["cpu"], mine["wall"] / middle["rclone"]["wall"]
    lines += [
        "",
        f"Asked: at most {CPU_LIMIT}× of obstore's CPU ({cpu:.2f}×) and at most rclone's wall ({wall:.2f}×).",
        "",
        "CPU and wall are of the work: in ours three looks at each object, the copies and two questions about "
        "encryption; in obstore's and boto3's the copies alone. The last columns are of the whole process, Python's "
        "imports and the making of clients included. The metadata of 1,000 rows, written afterwards, is not in it.",
        "",
    ]
    return "\n".join(lines), cpu <= CPU_LIMIT and wall <= WALL_LIMIT


if __name__ == "__main__":
    sys.exit(main())
