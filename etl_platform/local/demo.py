"""The demo: drop the samples, let Dagster's daemon pick them up, compare what became of each; then the other jobs."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus, unquote_plus

from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.report import Report
from etl_platform.local import display
from etl_platform.local.application_database import seeded_rows
from etl_platform.local.dagster_log import DagsterLog
from etl_platform.local.expected import Dropped, Result, all_differences
from etl_platform.local.personal_values import leaks, personal_values
from etl_platform.local.processes import LocalStackError
from etl_platform.local.provision import Clients, Provisioned, open_clients
from etl_platform.local.sample_emails import sample_emails
from etl_platform.local.samples import SAMPLES, Sample, build_samples, keep_samples
from etl_platform.local.stack import REPOSITORY, Stack
from etl_platform.object_keys import AMENDMENTS, REPORTS, WRITTEN_PREFIXES, base_name

DEADLINE_S = 300.0
"""It takes less than a minute where nothing else runs."""
_POLL_S = 0.5
_JOBS_WITHIN_S = 120.0
_EMAILS = 25
_SUBJECT = "Amazon S3 Notification"


def run_demo(project: Path = REPOSITORY, samples: Sequence[Sample] | None = None) -> int:
    """0 if every delivery and every object is as the samples say, else 1.

    Raises:
        LocalStackError: the stack does not start, or a part of it ended by itself.
    """
    started = time.monotonic()
    samples = build_samples() if samples is None else samples
    (project / ".local").mkdir(exist_ok=True)
    keep_samples(samples, project / SAMPLES)
    work_dir = Path(tempfile.mkdtemp(prefix="demo-", dir=project / ".local"))
    try:
        with Stack(work_dir, project=project, application=seeded_rows()) as stack:
            demo = _watch(stack, samples, started + DEADLINE_S)
            found = demo.differences()
            display.print_table(demo.dropped, demo.results)
            # While something is still under way, who wrote what cannot be told.
            found += [] if found else _run_jobs(stack, demo.events_again())
        # Only now are all logs written to their end.
        found += leaks(work_dir, personal_values(samples, sample_emails(_EMAILS)))
    except KeyboardInterrupt:
        shutil.rmtree(work_dir, ignore_errors=True)
        raise
    except LocalStackError as error:
        raise LocalStackError(f"{error}\nThe logs are in {work_dir}") from error
    took = time.monotonic() - started
    if found:
        print(f"{len(found)} differences after {took:.0f} s:", file=sys.stderr)
        print("\n".join(f"  {line}" for line in found), file=sys.stderr)
        print(f"The logs are in {work_dir} (dagster.log, emulator.log)", file=sys.stderr)
        return 1
    shutil.rmtree(work_dir, ignore_errors=True)
    print(
        f"{len(demo.dropped)} deliveries, {len(demo.listing)} objects and {demo.emails} emails are what the samples "
        f"call for; {demo.runs} runs, all queues empty, no personal value in the logs; {took:.0f} s"
    )
    return 0


def _watch(stack: Stack, samples: Sequence[Sample], deadline: float) -> "_Demo":
    with ExitStack() as open_things:
        aws = open_things.enter_context(open_clients(stack.emulator.endpoint_url))
        show = open_things.enter_context(display.progress(len(samples)))
        demo = _Demo(aws, stack.resources)
        show(0, "starting Dagster")
        for sample in samples:
            if sample.event == "unannounced":
                demo.hold_back(sample)
        demo.send_emails()
        # Only now: the queue's messages are the sensor's from here on.
        stack.start_daemon()
        for sample in samples:
            if sample.event == "put":
                demo.put(sample)
        demo.arrange(samples)
        log = open_things.enter_context(DagsterLog(stack.dagster_home))
        while not demo.is_complete and time.monotonic() < deadline:
            stack.check()
            time.sleep(_POLL_S)
            demo.look(log)
            show(len(demo.results), demo.waiting_for)
        return demo


def _run_jobs(stack: Stack, events: Sequence[str]) -> list[str]:
    """Print a line for each job, run twice; what went wrong, or was written the second time."""
    path, log = stack.work_dir / "events.json", stack.work_dir / "jobs.log"
    path.write_text(f"[{','.join(events)}]", "utf-8")
    print("Every job once more, and again:", flush=True)
    command = [sys.executable, "-m", "etl_platform.local.demo_jobs", str(path)]
    with log.open("w") as errors:
        try:
            # In a folder without .env, as the rest of the stack.
            ended = subprocess.run(
                command, env=stack.environment, cwd=stack.work_dir, stderr=errors, timeout=_JOBS_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired:
            return [f"jobs: not done within {_JOBS_WITHIN_S:.0f} s; see {log}"]
    return [f"jobs: {line}" for line in log.read_text("utf-8").splitlines()[-20:]] if ended.returncode else []


@dataclass
class _Demo:
    """The deliveries under way and what is known of them so far. ``results`` are by sample name."""

    aws: Clients
    resources: Provisioned
    dropped: list[Dropped] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)
    listing: set[str] = field(default_factory=set)
    runs: int = 0
    unfinished_runs: int = 0
    failed_runs: list[str] = field(default_factory=list)
    queued: int = 0
    dead: int = 0
    emails: int = 0
    _withheld: dict[str, str] = field(default_factory=dict)
    _repeated: set[str] = field(default_factory=set)
    _reports: dict[str, Report] = field(default_factory=dict)

    def put(self, sample: Sample) -> None:
        """Put the object; S3 announces it by itself."""
        made = self.aws.s3.put_object(Bucket=self.resources.bucket, Key=sample.key, Body=sample.content)
        version = ObjectVersion(self.resources.bucket, sample.key, made["VersionId"])
        self.dropped.append(Dropped(sample, version.delivery_id))

    def send_emails(self) -> None:
        for body in sample_emails(_EMAILS):
            self.aws.sqs.send_message(QueueUrl=self.resources.email_queue_url, MessageBody=body)

    def events_again(self) -> list[str]:
        """The event of every file that has a report."""
        return [_event_again(report.source) for report in self._reports.values()]

    def hold_back(self, sample: Sample) -> None:
        """Put the object and take its event off the queue, to be sent when newer versions are done."""
        self.put(sample)
        deadline = time.monotonic() + 10
        queue = self.resources.queue_url
        while time.monotonic() < deadline:
            received = self.aws.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in received.get("Messages", []):
                event = json.loads(message["Body"])["Message"]
                if sample.key in _keys(event):
                    self.aws.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                    self._withheld[sample.name] = event
                else:
                    self.aws.sqs.change_message_visibility(
                        QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                    )
            if sample.name in self._withheld:
                return
        raise LocalStackError(f"the event of {sample.key} did not reach the queue within 10 s")

    def arrange(self, samples: Sequence[Sample]) -> None:
        """Put what was dropped in the samples' order; a repeat takes the identity of its key's object."""
        by_name = {item.sample.name: item for item in self.dropped}
        by_key = {item.sample.key: item for item in self.dropped}
        self.dropped = [
            Dropped(sample, by_key[sample.key].delivery_id) if sample.event == "again" else by_name[sample.name]
            for sample in samples
        ]

    def look(self, log: DagsterLog) -> None:
        """Bring what is known up to date, and send the events whose time has come."""
        self._read_bucket()
        self.queued = self._messages(self.resources.queue_url) + self._messages(self.resources.email_queue_url)
        self.dead = self._messages(self.resources.dlq_url) + self._messages(self.resources.email_dlq_url)
        self.emails = sum(1 for _ in self._listed(self.resources.email_bucket))
        for item in self.dropped:
            sample, report = item.sample, self._reports.get(item.delivery_id)
            if sample.event == "again" and sample.name in self._repeated:
                result = log.outcome(sample.dataset or "", sample.agency or "", item.delivery_id)
                if result is not None:
                    self.results[sample.name] = Result(result, sample.agency, sample.dataset)
            elif sample.event != "again" and report is not None:
                self.results[sample.name] = Result.of_report(report)
        self._send_late_events()
        if self._reports:
            self.runs, self.unfinished_runs, self.failed_runs = log.runs()

    @property
    def waiting_for(self) -> str:
        missing = [item.sample.name for item in self.dropped if item.sample.name not in self.results]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            return f"waiting for {', '.join(missing[:3])}{more}"
        if self.emails < _EMAILS:
            return f"waiting for {_EMAILS - self.emails} emails"
        if self.queued:
            return "waiting for the queues to empty"
        return "waiting for the runs to end" if self.unfinished_runs else "all recorded"

    @property
    def is_complete(self) -> bool:
        return self.waiting_for == "all recorded" and self.runs > 0

    def differences(self) -> list[str]:
        """Everything that is not as the samples say, one line each."""
        lines = all_differences(self.dropped, self.results, self.listing)
        if self.emails != _EMAILS:
            lines.append(f"emails: expected {_EMAILS}, actual {self.emails}")
        if self.queued:
            lines.append(f"queue: expected 0 messages, actual {self.queued}")
        if self.dead:
            lines.append(f"dead-letter queue: expected 0 messages, actual {self.dead}")
        if self.unfinished_runs:
            lines.append(f"runs: {self.unfinished_runs} did not end within {DEADLINE_S:.0f} s")
        return lines + [f"runs: expected success, {run}" for run in self.failed_runs]

    def _send_late_events(self) -> None:
        """Send a withheld event after the report of the newer version, and a repeated one after the first report."""
        for item in self.dropped:
            sample = item.sample
            done = all(
                other.delivery_id in self._reports
                for other in self.dropped
                if other.sample.key == sample.key and other.sample.event == "put"
            )
            if sample.event == "unannounced" and done and sample.name in self._withheld:
                self._publish(self._withheld.pop(sample.name))
            if sample.event == "again" and done and sample.name not in self._repeated:
                self._publish(_event_again(self._reports[item.delivery_id].source))
                self._repeated.add(sample.name)

    def _publish(self, event: str) -> None:
        self.aws.sns.publish(TopicArn=self.resources.topic_arn, Subject=_SUBJECT, Message=event)

    def _read_bucket(self) -> None:
        self.listing = set(self._keys_written())
        for key in self.listing:
            identity = base_name(key).removesuffix(".json")
            is_report = key.startswith(REPORTS) and not key.startswith(AMENDMENTS)
            if is_report and identity not in self._reports:
                body = self.aws.s3.get_object(Bucket=self.resources.bucket, Key=key)["Body"]
                self._reports[identity] = Report.from_json(json.loads(body.read()))

    def _keys_written(self) -> Iterator[str]:
        for prefix in WRITTEN_PREFIXES:
            yield from self._listed(self.resources.bucket, prefix)

    def _listed(self, bucket: str, prefix: str = "") -> Iterator[str]:
        for page in self.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from (item["Key"] for item in page.get("Contents", []))

    def _messages(self, queue_url: str) -> int:
        found = self.aws.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]
        return sum(int(value) for name, value in found.items() if name.startswith("ApproximateNumber"))


def _keys(event: str) -> set[str]:
    """Keys in an S3 event; S3 sends them form-encoded."""
    records = json.loads(event).get("Records", [])
    return {unquote_plus(record["s3"]["object"]["key"]) for record in records}


def _event_again(source: ObjectVersion) -> str:
    """The S3 event of an object version once more, from the source in its report."""
    described = {
        "key": quote_plus(source.key, safe="/"),
        "size": source.size_bytes,
        "eTag": source.etag,
        "versionId": source.version_id,
        "sequencer": source.sequencer,
    }
    event = {
        "eventVersion": "2.6",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": source.last_modified.isoformat() if source.last_modified else None,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": source.bucket},
            "object": {name: value for name, value in described.items() if value is not None},
        },
    }
    return json.dumps({"Records": [event]})
