"""Contracts from an S3 prefix, as the chart's pods fetch them before they start."""

from pathlib import Path

import pytest

from etl_platform.cli.main import main
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.settings import Settings

CONTRACTS = Path(__file__).parents[2] / "contracts"


@pytest.fixture
def prefix(aws: Clients, provisioned: Provisioned, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", settings.aws_endpoint_url or "")
    for key, body in {
        "contracts/training.odcs.yaml": (CONTRACTS / "training.odcs.yaml").read_bytes(),
        "contracts/references/codes.csv": b"code\nA\n",
        "contracts/agencies/aurora/training.yaml": b"encoding: cp1252\n",
        "contracts/agencies/README.md": b"not for the platform",
        "contracts/README.md": b"not for the platform",
        "contracts/old/complaints.odcs.yaml": b"below another folder",
        "elsewhere/complaints.odcs.yaml": b"beside it",
    }.items():
        aws.s3.put_object(Bucket=provisioned.bucket, Key=key, Body=body)
    return f"s3://{provisioned.bucket}/contracts/"


def test_only_contracts_reference_tables_and_overlays_are_downloaded(
    prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "fetched"
    assert main(["contract", "fetch", prefix, str(folder)]) == 0
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"training.odcs.yaml", "references/codes.csv", "agencies/aurora/training.yaml"}
    assert (folder / "training.odcs.yaml").read_bytes() == (CONTRACTS / "training.odcs.yaml").read_bytes()
    assert "training.odcs.yaml: training, " in capsys.readouterr().out


def test_a_contract_in_error_is_named_and_does_not_keep_a_pod_from_starting(
    prefix: str, aws: Clients, provisioned: Provisioned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.s3.put_object(Bucket=provisioned.bucket, Key="contracts/broken.odcs.yaml", Body=b"kind: DataContract\n")
    assert main(["contract", "fetch", prefix, str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "broken.odcs.yaml" in printed.err
    assert "training.odcs.yaml: training, " in printed.out
    assert (tmp_path / "broken.odcs.yaml").exists()


@pytest.mark.parametrize(
    ("source", "message", "code"),
    [
        ("s3://{bucket}/nothing/", "holds no *.odcs.yaml", 2),
        ("s3://no-such-bucket-here/contracts/", "no-such-bucket-here", 1),
    ],
)
def test_a_prefix_without_contracts_is_an_error(
    prefix: str,
    provisioned: Provisioned,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    message: str,
    code: int,
) -> None:
    assert main(["contract", "fetch", source.format(bucket=provisioned.bucket), str(tmp_path)]) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("source", ["contracts/", "s3://bucket/contracts", "s3:///contracts/", "https://bucket/a/"])
def test_an_invalid_s3_prefix_is_a_usage_error(source: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["contract", "fetch", source, str(tmp_path)])
    assert ended.value.code == 2
