"""``etl-platform contract draft``: what it prints and writes, and its errors with their exit codes."""

from pathlib import Path

import pytest

from etl_platform.cli.main import main

ROWS = "stop_id,beat\n" + "".join(f"{place},North\n" for place in range(20))


@pytest.fixture
def stops(tmp_path: Path) -> Path:
    path = tmp_path / "Stops.csv"
    path.write_text(ROWS, "utf-8")
    return path


def test_a_draft_is_printed_or_written_and_passes_the_check_of_contracts_and_of_its_file(
    stops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["contract", "draft", str(stops)]) == 0
    printed = capsys.readouterr().out
    out = tmp_path / "stops.odcs.yaml"
    assert main(["contract", "draft", str(stops), "--out", str(out)]) == 0
    assert out.read_text("utf-8") == printed
    assert capsys.readouterr().out == f"{out}: stops, 2 columns, drafted from 20 rows\n"
    assert main(["contract", "check", str(out)]) == 0
    assert main(["check", str(stops), "--contract", str(out)]) == 0


def test_a_draft_says_how_many_rows_would_be_quarantined(stops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stops.write_text(ROWS + "20,South,more\n", "utf-8")
    assert main(["contract", "draft", str(stops), "--out", str(stops.with_suffix(".yaml"))]) == 0
    assert "1 of these rows breaks it and would be quarantined" in capsys.readouterr().out


def test_the_name_of_the_dataset_can_be_given(stops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "draft", str(stops), "--dataset", "beats"]) == 0
    assert "  - name: beats\n" in capsys.readouterr().out
    assert main(["contract", "draft", str(stops), "--dataset", "no"]) == 0
    assert "  - name: 'no'\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{folder}/none.csv"], 2, "none.csv does not exist; name the files to draft from"),
        (["{folder}"], 2, "is not a file; name the files to draft from"),
        (["{folder}/Stops.csv", "--out", "{folder}/Stops.csv"], 2, "the file exists and may have been edited"),
        (["{folder}/Stops.csv", "--out", "{folder}/gone/x.yaml"], 2, "there is no folder"),
        (["{folder}/Stops.csv", "--dataset", "reports"], 2, "is that of a table of the platform"),
        (["{folder}/Empty.csv"], 1, "Empty.csv: empty_file: the file has zero bytes"),
    ],
)
def test_an_error_has_a_sentence_and_an_exit_code(
    stops: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    (stops.parent / "Empty.csv").touch()
    assert main(["contract", "draft", *(text.format(folder=stops.parent) for text in arguments)]) == code
    assert message in capsys.readouterr().err
    assert stops.read_text("utf-8") == ROWS


def test_an_invalid_name_of_a_dataset_is_refused(stops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["contract", "draft", str(stops), "--dataset", "1 x"])
    assert "is not a name; use letters, digits and _, a letter first" in capsys.readouterr().err
