"""Misspelt commands, options and choices are answered with what was probably meant."""

import pytest

from etl_platform.cli.main import build_parser, main
from etl_platform.engine.near_names import did_you_mean, did_you_mean_or_all


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["statsu"], "status"),
        (["Today"], "today"),
        (["contract", "chek"], "check"),
        (["dlq", "lst"], "list"),
        (["status", "--datset", "training"], "--dataset"),
        (["status", "--datset=training"], "--dataset"),
        (["status", "--outcome", "acepted"], "accepted"),
        (["dlq", "list", "--queue", "emails"], "email"),
        (["run", "s3_data_qualty_job"], "s3_data_quality_job"),
    ],
)
def test_what_was_probably_meant_is_named(
    arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    assert code == 2
    assert f"did you mean {meant}?" in capsys.readouterr().err


def test_what_nobody_meant_lists_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["xyzzy"])
    error = capsys.readouterr().err
    assert "did you mean" not in error
    assert "status" in error


def test_arguments_after_the_dashes_belong_to_the_job() -> None:
    found = build_parser().parse_args(["run", "reconcile_job", "--", "--anything", "--at", "all"])
    assert found.arguments[-3:] == ["--anything", "--at", "all"]


def test_a_name_is_not_answered_with_itself() -> None:
    assert did_you_mean("training", ["training"]) == ""
    assert did_you_mean("Training", ["training"]) == "; did you mean training?"
    assert did_you_mean_or_all("x", []) == "; choose one of (there is none)"
