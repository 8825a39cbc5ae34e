"""``etl-platform diff`` over a local root: a delivery beside the last file of its series, and beside any other."""

import json
from pathlib import Path

import pytest

from etl_platform.cli.main import main
from etl_platform.deliveries.report import Report
from etl_platform.settings import Settings
from etl_platform_tests.unit.intake_place import Place
from etl_platform_tests.unit.making import contract_data, contract_of, text, typed, yaml_text

COLUMNS = [text("ident", required=True), typed("size", "integer"), text("secret", classification="restricted")]
DAY_S = 86_400


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "things.odcs.yaml").write_text(yaml_text(contract_data(COLUMNS)), "utf-8")
    monkeypatch.setenv("LOCAL_S3_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("CONTRACTS_DIR", str(tmp_path / "contracts"))
    (tmp_path / "root").mkdir()
    return Place(tmp_path / "root", contract_of(COLUMNS))


def ingest(place: Place, day: int, rows: int = 40, header: str = "ident,size,secret") -> Report:
    content = "\n".join([header, *(f"i{row},{row},S{row}" for row in range(rows)), ""]).encode()
    return place.ingest(place.drop(content, seconds=1_700_000_000 + day * DAY_S)).report


def test_a_delivery_is_shown_beside_the_last_file(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    ingest(place, 0)
    second = ingest(place, 30, 90, "ident,length,secret")
    assert main(["diff", second.delivery_id]) == 1
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == f"before: {second.source.key}, 2023-11-14 22:13"
    assert "size is not in the file; it was filled in 100 % of the rows of the last file" in " ".join(out.split())
    assert max(map(len, lines)) <= 80
    assert "\nthe file has 90 rows" in out, "each difference begins a line"
    assert "0 % → absent" in out
    assert "S3" not in out, "a value of a masked column is shown"


def test_a_delivery_like_another_one_ends_with_success(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = ingest(place, 0), ingest(place, 30, 90), ingest(place, 60, 91)
    assert main(["diff", third.delivery_id, second.delivery_id]) == 0
    assert capsys.readouterr().out.endswith("nothing unusual\n")
    assert main(["diff", third.delivery_id, first.delivery_id, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [finding["change"] for finding in document["findings"]] == ["rows"]
    assert (document["before"]["rows"], document["after"]["rows"]) == (40, 91)


def test_what_cannot_be_compared_is_a_usage_error(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    first = ingest(place, 0)
    for arguments, message in (
        (["0" * 20], "no report of a delivery"),
        ([first.delivery_id], "was not compared with a previous file"),
        ([place.ingest(place.drop(b"nothing\n1\n", seconds=1_800_000_000)).report.delivery_id], "was rejected without"),
    ):
        assert main(["diff", *arguments]) == 2
        assert message in capsys.readouterr().err
