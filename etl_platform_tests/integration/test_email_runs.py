"""Runs of email_archive_job, its sensor and its command line, against the emulator."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from etl_platform.aws.queue import Message
from etl_platform.cli.main import main
from etl_platform.definitions import build_defs
from etl_platform.defs.email_archive import ASSET, CHECK
from etl_platform.emails.archive import EmailArchive, EmailOutcome
from etl_platform.errors import TransientError
from etl_platform.local.dev import drop_email
from etl_platform.local.processes import LocalStackError
from etl_platform.local.provision import Provisioned
from etl_platform.local.sample_emails import POISON, sample_emails
from etl_platform.local.stack import write_env_file
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import EMAILS
from etl_platform.settings import Settings
from etl_platform_tests.integration.post import Post, Through, archive, counts, post, settings, terminal

__all__ = ["archive", "post", "settings", "terminal"]


def execute(platform: Platform, instance: dg.DagsterInstance, **how: Any) -> dg.ExecuteInProcessResult:
    job = build_defs(platform.settings, platform=platform).resolve_job_def("email_archive_job")
    return job.execute_in_process(instance=instance, raise_on_error=False, **how)


def latest(instance: dg.DagsterInstance) -> tuple[str | None, Mapping[str, Any]]:
    """Partition and metadata of the asset's last materialization."""
    (record,) = instance.fetch_materializations(ASSET, limit=1).records
    made = record.asset_materialization
    assert made is not None
    return made.partition, {name: value.value for name, value in made.metadata.items()}


def test_a_run_materializes_the_day_and_a_poison_message_fails_its_check(post: Post, platform: Platform) -> None:
    today = datetime.now(UTC).date().isoformat()
    post.send(*sample_emails(5, poison=True))
    with dg.DagsterInstance.ephemeral() as instance:
        result = execute(platform, instance)

        assert result.success
        partition, metadata = latest(instance)
        assert partition == today
        assert {name: metadata[name] for name in ("archived", "already_there", "poison", "failed")} == {
            "archived": 5,
            "already_there": 0,
            "poison": 1,
            "failed": 0,
        }
        assert metadata["bytes"] > 1_000
        assert metadata["oldest_message_age_s"] > 0
        assert metadata["summary"].startswith("5 archived, 1 poison; ")
        (check,) = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = check.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
        assert (found.check_name, found.passed, found.partition) == (CHECK, False, today)

        before = post.versions()
        assert execute(platform, instance).success
        assert post.versions() == before
        assert latest(instance) == (partition, metadata)


def test_a_run_logs_an_event_for_every_day_of_its_emails(post: Post, platform: Platform) -> None:
    def receive(*how: Any) -> list[Message]:
        """Every second message was sent two days before."""
        found = queue.receive(*how)
        return [replace(m, sent_at=(m.sent_at or now) - timedelta(days=2)) if n % 2 else m for n, m in enumerate(found)]

    now = datetime.now(UTC)
    queue, real = platform.queue(EMAILS), platform.email_archive
    platform.email_archive = replace(
        real, queue=Through(queue, receive=receive), settings=replace(real.settings, sns_worker_max=1)
    )
    post.send(*sample_emails(6))
    with dg.DagsterInstance.ephemeral() as instance:
        assert execute(platform, instance).success
        records = instance.fetch_materializations(ASSET, limit=10).records
        days = {(now - timedelta(days=ago)).date().isoformat() for ago in (0, 2)}
        assert {record.partition_key for record in records} == days
        found = [record.asset_materialization.metadata["archived"].value for record in records]
    assert found == [3, 3]
    assert platform.drained is not None
    assert platform.drained.total.oldest_s > 2 * 86_400


def test_a_run_for_a_day_drains_and_reports_what_the_archive_holds_for_that_day(post: Post, platform: Platform) -> None:
    today = datetime.now(UTC).date()
    post.send(*sample_emails(4))
    with dg.DagsterInstance.ephemeral() as instance:
        assert execute(platform, instance, partition_key=today.isoformat()).success
        _, first = latest(instance)
        assert (first["archived"], first["emails_in_archive"], first["bytes_in_archive"]) == (4, 4, first["bytes"])

        assert execute(platform, instance, partition_key=today.isoformat()).success
        _, again = latest(instance)
        assert (again["archived"], again["emails_in_archive"], again["bytes_in_archive"]) == (0, 4, first["bytes"])

        assert execute(platform, instance, partition_key=(today - timedelta(days=1)).isoformat()).success
        partition, other = latest(instance)
        assert (partition, other["emails_in_archive"]) == ((today - timedelta(days=1)).isoformat(), 0)


def test_a_run_that_leaves_emails_in_the_queue_fails_and_reports_its_counts(post: Post, platform: Platform) -> None:
    def refuse_jane(bucket: str, key: str, body: bytes, **how: Any) -> str:
        if "jane" in key:
            raise TransientError(f"PUT s3://{bucket}/{key}: AccessDenied")
        return store.write(bucket, key, body, **how)

    store = platform.store
    platform.store = Through(store, write=refuse_jane)  # type: ignore[assignment]
    post.send(*sample_emails(5))
    with dg.DagsterInstance.ephemeral() as instance:
        result = execute(platform, instance)
        assert not result.success
        told = latest(instance)[1]
        assert told["summary"].startswith("4 archived, 1 failed; ")
        (error,) = told["errors"]
        assert error.endswith(": TransientError"), "the day's metadata tell why"
        logged = " ".join(entry.user_message for entry in instance.all_logs(result.run_id))
        assert "TransientError" in logged
        assert "jane" not in logged.casefold()


def tick(platform: Platform, instance: dg.DagsterInstance) -> Any:
    definitions = build_defs(platform.settings, platform=platform)
    with dg.build_sensor_context(
        instance=instance, repository_def=definitions.get_repository_def(), resources={"platform": platform}
    ) as context:
        return definitions.resolve_sensor_def("email_arrivals_sensor").evaluate_tick(context)


def test_the_sensor_requests_one_run_while_emails_wait_and_receives_no_message(post: Post, platform: Platform) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(platform, instance).skip_message == "the email queue is empty"
        post.send(*sample_emails(3))
        (request,) = tick(platform, instance).run_requests
        assert (request.asset_selection, request.asset_check_keys) == ([ASSET], [])
        assert platform.queue(EMAILS).depth() == (3, 0)
        assert all(message.receive_count == 1 for message in platform.queue(EMAILS).receive(10, 0))

        run = instance.add_run(
            dg.DagsterRun("email_archive_job", run_id=make_new_run_id(), status=dg.DagsterRunStatus.STARTED)
        )
        assert "queued or running" in tick(platform, instance).skip_message
        instance.report_run_failed(run)
        assert len(tick(platform, instance).run_requests) == 1


def test_without_an_email_queue_the_sensor_is_stopped_and_skips_with_a_reason() -> None:
    platform = Platform(Settings())
    sensor = build_defs(platform.settings, platform=platform).resolve_sensor_def("email_arrivals_sensor")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    with dg.DagsterInstance.ephemeral() as instance:
        skipped = tick(platform, instance).skip_message
    assert "EMAIL_QUEUE_URL (or SQS_QUEUE_URL), EMAIL_BUCKET_NAME (or S3_BUCKET_NAME) not set" in skipped


@pytest.mark.usefixtures("terminal")
def test_the_command_line_reports_the_result_in_one_line(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    post.send(*sample_emails(3))
    assert main(["run", "email_archive_job"]) == 0
    assert capsys.readouterr().out.startswith("email_archive_job: 3 archived; ")
    assert main(["run", "email_archive_job"]) == 0
    assert capsys.readouterr().out == "email_archive_job: nothing to do\n"
    post.send(POISON)
    assert main(["run", "email_archive_job"]) == 1
    assert capsys.readouterr().out.startswith("email_archive_job: 1 poison; ")


@pytest.mark.usefixtures("terminal")
def test_the_last_line_has_the_error_of_an_email_that_stayed(
    post: Post, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("S3_BUCKET_NAME", "no-such-bucket")
    (message_id,) = post.send(*sample_emails(1))
    assert main(["run", "email_archive_job"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("email_archive_job: failed: 1 failed; ")
    assert f"the first error: message {message_id} for s3://no-such-bucket: " in line
    assert "NoSuchBucket; there is no such bucket in AWS_REGION=" in line
    assert "correct EMAIL_BUCKET_NAME, or create it" in line


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SQS_QUEUE_URL", None, "EMAIL_QUEUE_URL (or SQS_QUEUE_URL) not set"),
        ("S3_BUCKET_NAME", None, "EMAIL_BUCKET_NAME (or S3_BUCKET_NAME) not set"),
        ("MAX_MESSAGES_PER_POLL", "11", "MAX_MESSAGES_PER_POLL='11': takes a whole number from 1 to 10"),
        ("MAX_MESSAGES_PER_POLL", "0", "MAX_MESSAGES_PER_POLL='0': takes a whole number from 1 to 10"),
    ],
)
def test_a_missing_or_wrong_setting_is_one_line_and_exit_code_2(
    name: str, value: str | None, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(name, raising=False)
    if value is not None:
        monkeypatch.setenv(name, value)
    assert main(["run", "email_archive_job"]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_samples_sent_into_the_dev_stack_are_archived(
    post: Post, archive: EmailArchive, settings: Settings, provisioned: Provisioned, tmp_path: Path
) -> None:
    with pytest.raises(LocalStackError, match="make dev"):
        drop_email(1, poison=False, project=tmp_path)
    (tmp_path / ".local").mkdir()
    variables = {
        "AWS_ENDPOINT_URL": settings.aws_endpoint_url or "",
        "EMAIL_QUEUE_URL": provisioned.email_queue_url,
    }
    write_env_file(tmp_path / ".local" / "stack.env", variables)

    assert drop_email(4, poison=True, project=tmp_path) == 5
    assert counts(archive.drain()) == {EmailOutcome.ARCHIVED: 4, EmailOutcome.POISON: 1}
    assert len(post.documents()) == 4
