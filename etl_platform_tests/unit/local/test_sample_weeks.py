"""The weekly files with which make dev starts, checked against the shipped contract."""

from collections import Counter
from datetime import date
from pathlib import Path

from etl_platform.engine.check import check_file
from etl_platform.engine.contract_folder import load_contracts
from etl_platform.local.sample_weeks import WEEKS, weekly_files
from etl_platform.local.stack import REPOSITORY

MONDAY = date(2026, 11, 30)


def test_all_files_are_of_whole_weeks_before_today() -> None:
    mondays = sorted({file.monday for file in weekly_files(MONDAY)})
    assert len(mondays) == WEEKS
    assert mondays[-1] == date(2026, 11, 23)
    assert list(weekly_files(date(2026, 12, 6))) == list(weekly_files(MONDAY))


def test_one_file_is_refused_and_sent_again_and_all_others_are_accepted(tmp_path: Path) -> None:
    contract = load_contracts(REPOSITORY / "contracts")["traffic_stops"]
    outcomes: dict[str, list[bool]] = {}
    quarantined: Counter[str] = Counter()
    for file in weekly_files(MONDAY):
        path = tmp_path / Path(file.path).name
        path.write_bytes(file.content)
        result = check_file(path, contract, tmp_path, as_of=MONDAY)
        outcomes.setdefault(file.path, []).append(not result.errors)
        quarantined[file.agency] += result.quarantined_rows or 0
    assert sorted(outcomes.values()) == [[False, True]] + [[True]] * (2 * WEEKS - 1)
    assert quarantined == {"la_new_orleans": sum(range(WEEKS)), "nm_albuquerque": 0}
