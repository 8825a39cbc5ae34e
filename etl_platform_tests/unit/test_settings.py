"""Settings: every one documented, every wrong value named, nothing guessed."""

import dataclasses
from pathlib import Path

import pytest

from etl_platform.errors import SettingsError
from etl_platform.object_keys import WRITTEN_PREFIXES
from etl_platform.settings import Settings, env_example, load_settings
from etl_platform_tests.unit.making import PROJECT

WRONG = {
    "AWS_ENDPOINT_URL": "localhost:4566",
    "AWS_MAX_ATTEMPTS": "0",
    "DATA_BUCKET_NAME": "s3://documents",
    "SOURCE_PREFIX": "from_client",
    "FILE_EVENTS_QUEUE_URL": "queue",
    "SNS_WORKER_MAX": "ten",
    "MAX_RUNS_IN_FLIGHT": "-1",
    "POLL_INTERVAL_SECONDS": "0.5",
    "MAX_MESSAGES_PER_POLL": "11",
    "VISIBILITY_TIMEOUT_SECONDS": "43201",
    "GATEWAY_ALLOWED_TOPIC_ARNS": "arn:aws:sns:us-east-1:123456789012:t, *",
    "GATEWAY_DEV_MODE": "on",
    "PORT": "0",
    "LOG_LEVEL": "LOUD",
}


def test_the_example_file_lists_every_setting_with_its_default() -> None:
    example = (PROJECT / ".env.example").read_text("utf-8")
    assert example == env_example()
    names = [line.partition("=")[0] for line in example.splitlines() if line and not line.startswith("#")]
    assert names == [field.name.upper() for field in dataclasses.fields(Settings)]


def test_the_example_file_read_as_settings_gives_the_defaults() -> None:
    lines = [line.partition("=") for line in env_example().splitlines() if "=" in line and not line.startswith("#")]
    assert Settings.from_environment({name: value for name, _, value in lines}) == Settings()


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings.from_environment(dict.fromkeys(WRONG, " ")) == Settings()


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_value_is_reported_with_its_name_and_text(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({name: WRONG[name]})
    assert f"{name}={WRONG[name]!r}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://app:hun@ter2@host/app", "mysql://app:hunter2@host/app"])
def test_a_database_url_is_never_shown_and_no_part_of_its_password_is_read_as_the_host(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL: takes a URL") as caught:
        Settings.from_environment({"DATABASE_URL": url})
    assert "ter2" not in str(caught.value)


def test_all_wrong_values_are_reported_together() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(WRONG)
    assert all(name in str(caught.value) for name in WRONG)


@pytest.mark.parametrize(
    "prefix", [*WRITTEN_PREFIXES, "silver/x/", "/from_client/", "/", "reports/_ignored/", "s", "bronze"]
)
def test_a_source_prefix_must_not_overlap_what_the_platform_writes(prefix: str) -> None:
    with pytest.raises(SettingsError, match="SOURCE_PREFIX"):
        Settings.from_environment({"SOURCE_PREFIX": prefix})


@pytest.mark.parametrize("prefix", ["from_client/", "in/silver/", "silver-in/", "a/b/c/"])
def test_another_source_prefix_is_accepted(prefix: str) -> None:
    assert Settings.from_environment({"SOURCE_PREFIX": prefix}).source_prefix == prefix


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("AWS_MAX_ATTEMPTS", 1, 20),
        ("SNS_WORKER_MAX", 1, 256),
        ("MAX_MESSAGES_PER_POLL", 1, 10),
        ("VISIBILITY_TIMEOUT_SECONDS", 10, 43_200),
    ],
)
def test_limits_are_inclusive(name: str, low: int, high: int) -> None:
    for value in (low, high):
        assert getattr(Settings.from_environment({name: str(value)}), name.lower()) == value
    for value in (low - 1, high + 1):
        with pytest.raises(SettingsError, match=name):
            Settings.from_environment({name: str(value)})


def test_the_email_services_older_names_are_read_and_the_email_names_override_them() -> None:
    old = {
        "SQS_QUEUE_URL": "https://sqs/old",
        "S3_BUCKET_NAME": "old",
        "POLL_INTERVAL_SECONDS": "31",
        "MAX_MESSAGES_PER_POLL": "9",
        "VISIBILITY_TIMEOUT_SECONDS": "301",
    }
    own = {
        "EMAIL_QUEUE_URL": "https://sqs/own",
        "EMAIL_BUCKET_NAME": "own",
        "EMAIL_POLL_INTERVAL_SECONDS": "32",
        "EMAIL_MAX_MESSAGES_PER_POLL": "8",
        "EMAIL_VISIBILITY_TIMEOUT_SECONDS": "302",
    }

    def email(settings: Settings) -> list[object]:
        return [getattr(settings, name.lower()) for name in own]

    assert email(Settings()) == [None, None, 30, 10, 300]
    assert email(Settings.from_environment(old)) == ["https://sqs/old", "old", 31, 9, 301]
    both = Settings.from_environment(old | own)
    assert email(both) == ["https://sqs/own", "own", 32, 8, 302]
    assert (both.poll_interval_seconds, both.max_messages_per_poll, both.visibility_timeout_seconds) == (31, 9, 301)


@pytest.mark.parametrize("name", ["MAX_MESSAGES_PER_POLL", "EMAIL_MAX_MESSAGES_PER_POLL"])
@pytest.mark.parametrize("value", ["0", "11", "ten", "-1", "1.5"])
def test_a_poll_receives_one_to_ten_messages(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}={value!r}: takes a whole number from 1 to 10$"):
        Settings.from_environment({name: value})


def test_a_missing_email_queue_or_bucket_is_reported_with_its_older_name() -> None:
    with pytest.raises(SettingsError, match=r"EMAIL_QUEUE_URL \(or SQS_QUEUE_URL\), EMAIL_BUCKET_NAME \(or S3_BUCKET"):
        Settings().require("email_queue_url", "email_bucket_name")


def test_topics_of_any_partition_are_separated_by_commas() -> None:
    arns = ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:a", "arn:aws:sns:us-east-1:123456789012:b.fifo")
    read = Settings.from_environment({"GATEWAY_ALLOWED_TOPIC_ARNS": f" {arns[0]} ,{arns[1]},"})
    assert read.gateway_allowed_topic_arns == arns


def test_a_short_token_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError, match=r"^GATEWAY_ADMIN_TOKEN: takes at least 16") as caught:
        Settings.from_environment({"GATEWAY_ADMIN_TOKEN": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_missing_required_settings_are_reported() -> None:
    with pytest.raises(SettingsError, match=r"DATA_BUCKET_NAME, FILE_EVENTS_QUEUE_URL not set"):
        Settings().require("aws_region", "data_bucket_name", "file_events_queue_url")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    for field in dataclasses.fields(Settings):
        monkeypatch.delenv(field.name.upper(), raising=False)
    return monkeypatch


def test_the_environment_overrides_the_env_file_which_overrides_a_running_dev_stack(bare: pytest.MonkeyPatch) -> None:
    Path(".local").mkdir()
    Path(".local/stack.env").write_text(
        "AWS_REGION=from-stack\nDATA_BUCKET_NAME=from-stack\nSNS_WORKER_MAX=3\n", "utf-8"
    )
    Path(".env").write_text("AWS_REGION=from-file\nDATA_BUCKET_NAME=from-file\n", "utf-8")
    bare.setenv("AWS_REGION", "from-environment")
    settings = load_settings()
    assert (settings.aws_region, settings.data_bucket_name, settings.sns_worker_max) == (
        "from-environment",
        "from-file",
        3,
    )


def test_an_empty_variable_does_not_override_the_env_file(bare: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("DATA_BUCKET_NAME=from-file\n", "utf-8")
    bare.setenv("DATA_BUCKET_NAME", "")
    assert load_settings().data_bucket_name == "from-file"


def test_an_empty_line_in_the_env_file_keeps_the_default(bare: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(env_example(), "utf-8")
    assert load_settings() == Settings()
