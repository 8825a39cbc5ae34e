"""Agencies are found by id and by partition."""

import argparse

import pytest

from etl_platform.application_db.agencies import Agency, find_agency
from etl_platform.cli.jobs.agency_argument import agency_id, choose_agency
from etl_platform.engine.errors import PermanentError, UsageError

KNOWN = [
    Agency(10, "nm_albuquerque", "A"),
    Agency(11, "Tx el/Paso", "E"),
    Agency(12, "twin", ""),
    Agency(13, "twin", ""),
]


def test_an_agency_is_found_by_its_id_and_by_its_partition() -> None:
    assert choose_agency(KNOWN, number=11) == choose_agency(KNOWN, partition="Tx%20el%2FPaso") == KNOWN[1]
    assert find_agency("tx%20el%2Fpaso", KNOWN) is None, "another case is another folder"


@pytest.mark.parametrize("number", [12, 13])
def test_two_agencies_with_the_same_slug_are_refused(number: int) -> None:
    with pytest.raises(PermanentError, match="several agencies with the slug twin: ids 12, 13"):
        choose_agency(KNOWN, number=number)


def test_an_unknown_agency_is_an_error_that_lists_known_ones() -> None:
    many = [Agency(number, f"a{number}", "") for number in range(1, 31)]
    with pytest.raises(UsageError, match=r"--agency-id 99: unknown agency; .* has 1 a1, .*20 a20 and 10 more"):
        choose_agency(many, number=99)
    with pytest.raises(UsageError, match=r"--agency x: unknown agency; .* has no agencies"):
        choose_agency([], partition="x")


@pytest.mark.parametrize("text", ["", "-1", "1_0", " 10", "\u0661\u0660", "1.0", "9" * 19])
def test_an_agency_id_that_is_not_all_digits_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        agency_id(text)
