"""The image that the chart deploys, built from the Dockerfile and run as the chart runs it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_platform.local.samples import build_samples
from etl_platform_tests.deploy.containers import HOME, Builder


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    builder = Builder(tmp_path_factory.mktemp("image"))
    builder.build()
    yield builder
    builder.remove()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an accepted and a rejected sample, which the container's user may read."""
    folder = tmp_path_factory.mktemp("files")
    for sample in build_samples():
        if sample.dataset == "officer_detail" and sample.outcome in {"accepted", "rejected"}:
            path = folder / sample.outcome / Path(sample.key).name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(sample.content)
    folder.chmod(0o755)
    return folder


def test_the_image_runs_as_uid_1000_and_has_labels(image: Builder) -> None:
    assert image.inspect("{{.Config.User}}") == "1000:1000"
    labels = json.loads(image.inspect("{{json .Labels}}"))
    assert labels["org.opencontainers.image.title"] == "etl-platform"
    assert labels["org.opencontainers.image.revision"] == "deploy-check"
    assert json.loads(image.inspect("{{json .Config.Entrypoint}}")) == ["etl-platform"]


def test_without_arguments_it_prints_its_help(image: Builder) -> None:
    done = image.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: etl-platform" in done.stdout
    assert "gateway" in done.stdout


def test_it_checks_files_on_a_read_only_root(image: Builder, files: Path) -> None:
    mounts = {files: "/files"}
    accepted = image.run("check", "/files/accepted/Officer_Detail.csv", "--out", "/tmp/result", mounts=mounts)
    assert (accepted.returncode, accepted.stderr) == (0, "")
    assert accepted.stdout.startswith("ACCEPTED")
    rejected = image.run("check", "/files/rejected/Officer_Detail.csv", mounts=mounts)
    assert rejected.returncode == 1
    assert rejected.stdout.startswith("REJECTED")


def test_dagster_validates_the_definitions_in_it(image: Builder) -> None:
    done = image.run("definitions", "validate", "-m", "etl_platform.definitions", entry_point="dagster")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation successful for code location etl_platform" in done.stdout + done.stderr


@pytest.mark.parametrize("program", ["dagster", "dagster-webserver", "dagster-daemon"])
def test_the_programs_that_the_official_chart_starts_are_there(image: Builder, program: str) -> None:
    done = image.run("--version", entry_point=program)
    assert done.returncode == 0, done.stderr
    assert "version 1.13" in done.stdout


def test_only_its_two_writable_folders_can_be_written(image: Builder) -> None:
    places = (
        f"for place in / /opt/etl-platform /etc /tmp {HOME}; do touch $place/x 2>/dev/null && echo $place; done; id -u"
    )
    assert image.run("-c", places, entry_point="sh").stdout.split() == ["/tmp", HOME, "1000"]


def test_a_file_that_was_written_at_run_time_sets_nothing(image: Builder) -> None:
    planted = "for place in . /tmp; do echo PORT=eighty >$place/.env; mkdir $place/etl_platform; done 2>/dev/null"
    done = image.run("-c", f"{planted}; ls -A . /tmp/.env; exec etl-platform --version", entry_point="sh")
    assert done.returncode == 0, done.stderr
    listed, _, version = done.stdout.partition("\n\n.:\n")
    assert (listed, version.split()[0]) == ("/tmp/.env", "etl-platform")
    # `status` reads every setting before it connects to anything.
    status = image.run("-c", f"{planted}; exec etl-platform status", entry_point="sh")
    assert "PORT" not in status.stderr
    assert "DATA_BUCKET_NAME" in status.stderr


def test_it_has_no_compiler_and_no_build_tools(image: Builder) -> None:
    look = "for name in cc gcc g++ ld make uv pytest ruff git; do command -v $name; done; true"
    assert image.run("-c", look, entry_point="sh").stdout == ""


def test_a_wrong_setting_is_one_clear_line(image: Builder) -> None:
    done = image.run("-c", "PORT=eighty exec etl-platform status", entry_point="sh")
    assert done.returncode == 2
    assert done.stderr == "etl-platform: PORT='eighty': takes a whole number from 1 to 65,535\n"
