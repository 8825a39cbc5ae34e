"""make demo: uploads samples, lets Dagster ingest them, checks the results, and runs every job twice."""

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
from etl_platform.local import demo_output
from etl_platform.local.application_database import seeded_rows
from etl_platform.local.demo_expectations import Result, UploadedSample, all_differences
from etl_platform.local.event_log import StackEventLog
from etl_platform.local.personal_values import personal_values, scan_logs
from etl_platform.local.processes import LocalStackError
from etl_platform.local.provision import Clients, Provisioned, open_clients
from etl_platform.local.sample_emails import sample_emails
from etl_platform.local.samples import SAMPLES, Sample, build_samples, write_samples
from etl_platform.local.stack import REPOSITORY, Stack
from etl_platform.object_keys import WRITTEN_PREFIXES, base_name, is_report
from etl_platform.queue_work.queues import QUEUES

DEADLINE_S = 300.0  # less than a minute on an idle machine
_POLL_S = 0.5
_JOBS_TIMEOUT_S = 120.0
_EMAILS = 25
_SUBJECT = "Amazon S3 Notification"


def run_demo(project: Path = REPOSITORY, samples: Sequence[Sample] | None = None) -> int:
    """Returns 0 if every delivery and every object is as the samples expect, else 1.

    Raises:
        LocalStackError: the stack does not start, or one of its processes has ended.
    """
    started = time.monotonic()
    samples = build_samples() if samples is None else samples
    (project / ".local").mkdir(exist_ok=True)
    write_samples(samples, project / SAMPLES)
    work_dir = Path(tempfile.mkdtemp(prefix="demo-", dir=project / ".local"))
    try:
        with Stack(work_dir, project=project, application=seeded_rows()) as stack:
            demo = _watch(stack, samples, started + DEADLINE_S)
            differences = demo.differences()
            demo_output.print_table(demo.uploaded, demo.results)
            # Run the jobs only if all is done: unfinished runs would write objects at the same time.
            differences += [] if differences else _run_jobs(stack, demo.repeated_events())
        # Scan the logs after the stack has stopped, when they are complete.
        differences += scan_logs(work_dir, personal_values(samples, sample_emails(_EMAILS)))
    except KeyboardInterrupt:
        shutil.rmtree(work_dir, ignore_errors=True)
        raise
    except LocalStackError as error:
        raise LocalStackError(f"{error}\nThe demo stopped; all logs are in {work_dir}") from error
    elapsed_s = time.monotonic() - started
    if differences:
        _print_failure(differences, elapsed_s, work_dir)
        return 1
    shutil.rmtree(work_dir, ignore_errors=True)
    print(
        f"success: {len(demo.uploaded)} deliveries, {len(demo.listing)} objects and {demo.emails} emails are as "
        f"expected; {demo.runs} runs, all queues empty, no personal values in the logs; {elapsed_s:.0f} s"
    )
    return 0


def _print_failure(differences: Sequence[str], elapsed_s: float, work_dir: Path) -> None:
    lines = [
        f"failed: {len(differences)} differences from what the samples expect, after {elapsed_s:.0f} s:",
        *(f"  {line}" for line in differences),
        f"The logs are in {work_dir}: dagster.log has the runs, emulator.log the AWS calls, jobs.log the jobs.",
        f"If the machine was busy, try again: the demo waits {DEADLINE_S:.0f} s.",
    ]
    print("\n".join(lines), file=sys.stderr)


def _watch(stack: Stack, samples: Sequence[Sample], deadline: float) -> "_Demo":
    """Upload the samples and wait until all are recorded and all runs have ended, or the deadline passes."""
    with ExitStack() as contexts:
        aws = contexts.enter_context(open_clients(stack.emulator.endpoint_url))
        show = contexts.enter_context(demo_output.progress(len(samples)))
        demo = _Demo(aws, stack.resources)
        show(0, "starting Dagster")
        for sample in samples:
            if sample.event == "unannounced":
                demo.put_without_event(sample)
        demo.send_emails()
        # Start the daemon after that, because its sensor receives all messages of the queue.
        stack.start_daemon()
        for sample in samples:
            if sample.event == "put":
                demo.put(sample)
        demo.sort_uploaded(samples)
        log = contexts.enter_context(StackEventLog(stack.dagster_home))
        while not demo.is_complete and time.monotonic() < deadline:
            stack.check()
            time.sleep(_POLL_S)
            demo.refresh(log)
            show(len(demo.results), demo.waiting_for)
        return demo


def _run_jobs(stack: Stack, events: Sequence[str]) -> list[str]:
    """Run each job twice and print a line for each; returns failures, and objects written by the second run."""
    path, log = stack.work_dir / "events.json", stack.work_dir / "jobs.log"
    path.write_text(f"[{','.join(events)}]", "utf-8")
    print("Running every job twice; the second run must write nothing:", flush=True)
    command = [sys.executable, "-m", "etl_platform.local.demo_jobs", str(path)]
    with log.open("w") as errors:
        try:
            # The working folder has no .env, like that of the other processes of the stack.
            process = subprocess.run(
                command, env=stack.environment, cwd=stack.work_dir, stderr=errors, timeout=_JOBS_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return [f"jobs: not finished within {_JOBS_TIMEOUT_S:.0f} s; see {log}"]
    return [f"jobs: {line}" for line in log.read_text("utf-8").splitlines()[-20:]] if process.returncode else []


@dataclass
class _Demo:
    """The uploaded samples and their results so far, by sample name."""

    aws: Clients
    resources: Provisioned
    uploaded: list[UploadedSample] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)
    listing: set[str] = field(default_factory=set)
    runs: int = 0
    unfinished_runs: int = 0
    failed_runs: list[str] = field(default_factory=list)
    queued: int = 0
    dead: int = 0
    emails: int = 0
    _withheld_events: dict[str, str] = field(default_factory=dict)
    _repeated_events: set[str] = field(default_factory=set)
    _reports: dict[str, Report] = field(default_factory=dict)

    def put(self, sample: Sample) -> None:
        """Put the object; S3 sends its event."""
        answer = self.aws.s3.put_object(Bucket=self.resources.bucket, Key=sample.key, Body=sample.content)
        version = ObjectVersion(self.resources.bucket, sample.key, answer["VersionId"])
        self.uploaded.append(UploadedSample(sample, version.delivery_id))

    def send_emails(self) -> None:
        for body in sample_emails(_EMAILS):
            self.aws.sqs.send_message(QueueUrl=self.resources.email_queue_url, MessageBody=body)

    def repeated_events(self) -> list[str]:
        """The event of every file with a report, to be ingested a second time."""
        return [_event_again(report.source) for report in self._reports.values()]

    def put_without_event(self, sample: Sample) -> None:
        """Put the object and remove its event from the queue, to send it after newer versions."""
        self.put(sample)
        deadline = time.monotonic() + 10
        queue = self.resources.queue_url
        while time.monotonic() < deadline:
            received = self.aws.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in received.get("Messages", []):
                event = json.loads(message["Body"])["Message"]
                if sample.key in _keys(event):
                    self.aws.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                    self._withheld_events[sample.name] = event
                else:
                    self.aws.sqs.change_message_visibility(
                        QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                    )
            if sample.name in self._withheld_events:
                return
        raise LocalStackError(f"the event of {sample.key} did not reach the queue within 10 s; see emulator.log")

    def sort_uploaded(self, samples: Sequence[Sample]) -> None:
        """Sort the uploads in the order of the samples. A repeated event has the delivery id of its object."""
        by_name = {item.sample.name: item for item in self.uploaded}
        by_key = {item.sample.key: item for item in self.uploaded}
        self.uploaded = [
            UploadedSample(sample, by_key[sample.key].delivery_id) if sample.event == "again" else by_name[sample.name]
            for sample in samples
        ]

    def refresh(self, log: StackEventLog) -> None:
        """Read the current state, and send the events that are due."""
        self._read_bucket()
        self.queued = sum(self._messages(self.resources.value_of(queue.url_setting)) for queue in QUEUES)
        self.dead = sum(self._messages(self.resources.value_of(queue.dlq_url_setting)) for queue in QUEUES)
        self.emails = sum(1 for _ in self._list_keys(self.resources.email_bucket))
        for item in self.uploaded:
            sample, report = item.sample, self._reports.get(item.delivery_id)
            if sample.event == "again" and sample.name in self._repeated_events:
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
        missing = [item.sample.name for item in self.uploaded if item.sample.name not in self.results]
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
        """One line for each difference from what the samples expect."""
        lines = all_differences(self.uploaded, self.results, self.listing)
        if self.emails != _EMAILS:
            lines.append(f"emails: expected {_EMAILS}, got {self.emails}")
        if self.queued:
            lines.append(f"queues: expected 0 messages, got {self.queued}")
        if self.dead:
            lines.append(f"dead-letter queues: expected 0 messages, got {self.dead}")
        if self.unfinished_runs:
            lines.append(f"runs: {self.unfinished_runs} not finished within {DEADLINE_S:.0f} s")
        return lines + [f"runs: expected success, got {run}" for run in self.failed_runs]

    def _send_late_events(self) -> None:
        """Send a withheld event after the report of the newer version, and a repeated one after the first."""
        for item in self.uploaded:
            sample = item.sample
            is_reported = all(
                other.delivery_id in self._reports
                for other in self.uploaded
                if other.sample.key == sample.key and other.sample.event == "put"
            )
            if sample.event == "unannounced" and is_reported and sample.name in self._withheld_events:
                self._publish(self._withheld_events.pop(sample.name))
            if sample.event == "again" and is_reported and sample.name not in self._repeated_events:
                self._publish(_event_again(self._reports[item.delivery_id].source))
                self._repeated_events.add(sample.name)

    def _publish(self, event: str) -> None:
        self.aws.sns.publish(TopicArn=self.resources.topic_arn, Subject=_SUBJECT, Message=event)

    def _read_bucket(self) -> None:
        self.listing = set(self._written_keys())
        for key in self.listing:
            identity = base_name(key).removesuffix(".json")
            if is_report(key) and identity not in self._reports:
                body = self.aws.s3.get_object(Bucket=self.resources.bucket, Key=key)["Body"]
                self._reports[identity] = Report.from_json(json.loads(body.read()))

    def _written_keys(self) -> Iterator[str]:
        for prefix in WRITTEN_PREFIXES:
            yield from self._list_keys(self.resources.bucket, prefix)

    def _list_keys(self, bucket: str, prefix: str = "") -> Iterator[str]:
        for page in self.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from (item["Key"] for item in page.get("Contents", []))

    def _messages(self, queue_url: str) -> int:
        found = self.aws.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]
        return sum(int(value) for name, value in found.items() if name.startswith("ApproximateNumber"))


def _keys(event: str) -> set[str]:
    """The keys in an S3 event, which are form-encoded."""
    records = json.loads(event).get("Records", [])
    return {unquote_plus(record["s3"]["object"]["key"]) for record in records}


def _event_again(source: ObjectVersion) -> str:
    """The S3 event of an object version, rebuilt from its report."""
    object_fields = {
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
            "object": {name: value for name, value in object_fields.items() if value is not None},
        },
    }
    return json.dumps({"Records": [event]})
