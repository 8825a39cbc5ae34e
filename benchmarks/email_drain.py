"""``make bench-email``: compares the email archive with a plain loop of receive, put and delete; writes EMAIL.md.

Both drain equal messages from one emulator at equal concurrency, in turn. The time is from the first call to the last
deletion, without the last poll, which receives nothing. Compare the ratios.
"""

import argparse
import os
import platform as machine
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from etl_platform.aws.clients import make_client
from etl_platform.emails.archive import LONG_POLL_S, EmailOutcome
from etl_platform.local.emulator import Emulator
from etl_platform.local.provision import KEY_ID, KEY_SECRET, Clients, Provisioned, open_clients, provision
from etl_platform.local.sample_emails import sample_emails
from etl_platform.local.stack import inherited_environment
from etl_platform.platform import Platform
from etl_platform.settings import Settings

RESULTS = Path(__file__).parent / "EMAIL.md"
OLD_SERVICE_PER_S = 10 / 30
OF_BARE, OF_OLD = 0.8, 20
_SENDERS = 8


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-email ARGS=", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000, help="messages per drain [1,000]")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 10], help="numbers of concurrent workers [1 10]")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median is used [5]")
    arguments = parser.parse_args()
    os.environ.update(AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=KEY_SECRET)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="etl-platform-bench-")))
        emulator = stack.enter_context(Emulator(folder, environment=inherited_environment()))
        aws = stack.enter_context(open_clients(emulator.endpoint_url))
        mail = _EmailQueue(aws, provision(emulator.endpoint_url), emulator.endpoint_url)
        found = [_compare(mail, workers, arguments) for workers in arguments.workers]
    text = _page(found, arguments)
    print(text)
    RESULTS.write_text(text, "utf-8")
    return 0 if all(each.of_bare >= OF_BARE and each.of_old >= OF_OLD for each in found) else 1


@dataclass(frozen=True)
class Compared:
    """Emails a second, the median of the rounds."""

    workers: int
    ours: float
    bare: float

    @property
    def of_bare(self) -> float:
        return self.ours / self.bare

    @property
    def of_old(self) -> float:
        return self.ours / OLD_SERVICE_PER_S


@dataclass(frozen=True)
class _EmailQueue:
    """The email queue and bucket of the emulator."""

    aws: Clients
    resources: Provisioned
    endpoint_url: str

    def settings(self, workers: int) -> Settings:
        return Settings(
            aws_endpoint_url=self.endpoint_url,
            email_queue_url=self.resources.email_queue_url,
            email_dlq_url=self.resources.email_dlq_url,
            email_bucket_name=self.resources.email_bucket,
            sns_worker_max=workers,
        )

    def send(self, count: int) -> None:
        def send(bodies: list[str]) -> None:
            entries: Any = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]
            self.aws.sqs.send_message_batch(QueueUrl=self.resources.email_queue_url, Entries=entries)

        bodies = sample_emails(count)
        with ThreadPoolExecutor(_SENDERS) as pool:
            list(pool.map(send, [bodies[start : start + 10] for start in range(0, count, 10)]))

    def empty_bucket(self) -> None:
        """Empty the bucket, so that the second drain of a round starts with the same bucket as the first."""
        for page in self.aws.s3.get_paginator("list_object_versions").paginate(Bucket=self.resources.email_bucket):
            objects: Any = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in page.get("Versions", [])]
            if objects:
                self.aws.s3.delete_objects(
                    Bucket=self.resources.email_bucket, Delete={"Objects": objects, "Quiet": True}
                )


def _compare(mail: _EmailQueue, workers: int, arguments: argparse.Namespace) -> Compared:
    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    for round_ in range(arguments.rounds):
        pair = [("ours", _ours), ("bare", _bare)]
        for name, drain in pair if round_ % 2 == 0 else reversed(pair):
            mail.send(arguments.messages)
            seconds[name].append(drain(mail, workers, arguments.messages))
            mail.empty_bucket()
    per_s = {name: arguments.messages / statistics.median(taken) for name, taken in seconds.items()}
    return Compared(workers, per_s["ours"], per_s["bare"])


def _ours(mail: _EmailQueue, workers: int, messages: int) -> float:
    archive = Platform(mail.settings(workers)).email_archive
    started = ended = time.monotonic()

    def record_time(_so_far: object) -> None:
        nonlocal ended
        ended = time.monotonic()

    drained = archive.drain(on_progress=record_time)
    assert dict(drained.total.counts) == {EmailOutcome.ARCHIVED: messages}, drained
    assert not drained.undeleted
    return ended - started


def _bare(mail: _EmailQueue, workers: int, messages: int) -> float:
    """Threads that receive ten messages, put each body unchanged, and delete the ten messages."""
    settings = mail.settings(workers)
    sqs, s3 = make_client(settings, "sqs"), make_client(settings, "s3")
    queue, bucket = mail.resources.email_queue_url, mail.resources.email_bucket
    lock = threading.Lock()
    started = ended = time.monotonic()
    done = 0

    def work() -> None:
        nonlocal done, ended
        while found := sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=300, WaitTimeSeconds=LONG_POLL_S
        ).get("Messages"):
            for message in found:
                s3.put_object(Bucket=bucket, Key=f"bare/{message['MessageId']}.json", Body=message["Body"].encode())
            handles = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(found)]
            sqs.delete_message_batch(QueueUrl=queue, Entries=handles)
            with lock:
                done += len(found)
                ended = time.monotonic()

    with ThreadPoolExecutor(workers) as pool:
        for worker in [pool.submit(work) for _ in range(workers)]:
            worker.result()
    assert done == messages
    return ended - started


def _page(found: list[Compared], arguments: argparse.Namespace) -> str:
    lines = [
        "# The drain of the email queue",
        "",
        f"{os.cpu_count()} cores, {machine.machine()}, Python {machine.python_version()}, boto3 {version('boto3')}; "
        f"{datetime.now(UTC):%Y-%m-%d}. Made by `make bench-email`: {arguments.messages:,} emails from the local "
        f"emulator, the median of {arguments.rounds} rounds in turn. The emulator shares the machine; read the ratios.",
        "",
        "| at once | ours, emails/s | bare loop, emails/s | ours of bare | of the old service's 10 in 30 s |",
        "|---|---|---|---|---|",
        *(f"| {c.workers} | {c.ours:,.0f} | {c.bare:,.0f} | {c.of_bare:.0%} | {c.of_old:,.0f}× |" for c in found),
        "",
        f"Asked: at least {OF_BARE:.0%} of the bare loop, and {OF_OLD}× the old service.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
