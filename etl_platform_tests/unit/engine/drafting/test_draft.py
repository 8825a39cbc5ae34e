"""Drafts of single files: errors, evidence, exceptions that are kept, several months and several agencies."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from etl_platform.engine.check import check_contract, check_file
from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.file_names import choose_contract
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.drafting.column_samples import DraftError
from etl_platform.engine.drafting.draft import Draft, draft_contract
from etl_platform.engine.errors import UsageError
from etl_platform_tests.unit.engine.reading.packed.packed_files import workbook

TODAY = date(2026, 11, 30)


def drafted(*paths: Path, dataset: str | None = None) -> tuple[Draft, Contract]:
    draft = draft_contract(paths, dataset, TODAY)
    contract = parse_contract(draft.text, "draft")
    check_contract(contract)
    for path in paths:
        assert check_file(path, contract, path.parent, as_of=TODAY).errors == ()
        assert choose_contract([contract], path.name) is contract
    return draft, contract


def comments(draft: Draft) -> str:
    """The comments on one line."""
    return " ".join(
        " ".join(line.strip(" #") for line in draft.text.splitlines() if line.strip().startswith("#")).split()
    )


def csv_file(path: Path, header: str, rows: Sequence[str]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has zero bytes"),
        (b"a,b\n", "has a header and no rows; draft from a file with rows"),
        (b"12,2020-01-01,x\n13,2020-01-02,y\n14,2020-01-03,z\n", "line 1 looks like data, not like a header"),
        (b"a,a\n1,2\n3,4\n", "several columns named a hold different cells; rename them"),
        (bytes(range(256)) * 20, "binary data"),
    ],
)
def test_a_file_without_a_usable_table_is_an_error_that_names_it(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "Stops.csv"
    path.write_bytes(content)
    with pytest.raises(DraftError, match=message) as raised:
        draft_contract([path], None, TODAY)
    assert str(path) in str(raised.value)


def test_a_file_name_of_digits_needs_the_name_of_the_dataset(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "2026-01.csv", "city,beat", ["Reno,4", "Elko,5"])
    with pytest.raises(UsageError, match="add --dataset NAME"):
        draft_contract([path], None, TODAY)
    _, contract = drafted(path, dataset="beats")
    assert contract.dataset == "beats"


def test_a_few_typing_errors_do_not_change_a_type_and_are_counted(tmp_path: Path) -> None:
    rows = [f"{place},{1 + place % 12}/{1 + place % 28}/2025" for place in range(3_000)]
    rows[1_500] = "1500,2/30/2025"
    draft, contract = drafted(csv_file(tmp_path / "Stops.csv", "stop_id,stop_date", rows))
    assert contract.column("stop_date").type == "date"
    assert draft.quarantined == 1
    assert "1 row is not a date and would be quarantined" in comments(draft)


def test_many_other_values_make_a_column_text_and_the_comment_says_how_many(tmp_path: Path) -> None:
    rows = [f"{place},{'n.d.' if place % 10 == 0 else f'1/{1 + place % 28}/2025'}" for place in range(200)]
    draft, contract = drafted(csv_file(tmp_path / "Stops.csv", "stop_id,stop_date", rows))
    assert contract.column("stop_date").type == "string"
    assert "90% of the filled rows are a date; the others are not, so the column is text" in comments(draft)
    assert draft.quarantined == 0


def test_a_type_that_too_few_rows_have_is_taken_back_and_the_comment_counts_them(tmp_path: Path) -> None:
    rows = [f"{place},{'20s' if place % 200 == 0 else 1 + place % 90}" for place in range(2_000)]
    draft, contract = drafted(csv_file(tmp_path / "Stops.csv", "stop_id,officers", rows))
    assert contract.column("officers").type == "string"
    assert "10 of 2,000 filled rows are not of type integer, so the column is text" in comments(draft)


def test_days_that_do_not_prove_their_order_are_read_month_first_and_the_comment_says_so(tmp_path: Path) -> None:
    rows = [f"{place},{1 + place % 12}/{1 + place % 9}/2025" for place in range(30)]
    draft, contract = drafted(csv_file(tmp_path / "Stops.csv", "stop_id,stop_date", rows))
    assert contract.column("stop_date").formats == ("M/d/yyyy",)
    assert "no day above 12 proves it" in comments(draft)


def test_a_date_after_the_day_of_the_draft_allows_future_dates(tmp_path: Path) -> None:
    rows = [f"{place},2026-11-{1 + place % 30:02},2027-11-{1 + place % 30:02}" for place in range(30)]
    _, contract = drafted(csv_file(tmp_path / "Permits.csv", "permit_id,issued,valid_to", rows))
    assert [column.not_future for column in contract.columns] == [False, True, False]


def test_two_identifiers_that_are_unique_together_are_the_key(tmp_path: Path) -> None:
    rows = [f"C{place // 2:05},{place % 2},fine" for place in range(60)]
    _, contract = drafted(csv_file(tmp_path / "Charges.csv", "case_id,line,outcome", rows))
    assert contract.primary_key == ("case_id", "line")


def test_months_that_the_file_does_not_have_are_allowed(tmp_path: Path) -> None:
    rows = [f"{place},{['January', 'February'][place % 2]}" for place in range(40)]
    _, contract = drafted(csv_file(tmp_path / "Counts.csv", "count_id,month", rows))
    assert len(contract.column("month").allowed or ()) == 12


def test_columns_without_a_usable_name_are_left_out_and_listed(tmp_path: Path) -> None:
    rows = [f"{place},x{place},y,z" for place in range(12)]
    draft, contract = drafted(csv_file(tmp_path / "Things.csv", "thing_id,,Beat,BEAT", rows))
    assert [column.name for column in contract.columns] == ["thing_id"]
    assert "column 2 of Things.csv has no name and 12 filled cells" in comments(draft)
    assert "BEAT and Beat of Things.csv are one name; rename one of them" in " ".join(
        draft.text.replace("#", "").split()
    )


def test_headers_that_are_not_names_become_synonyms(tmp_path: Path) -> None:
    rows = [f"{place},a,b" for place in range(12)]
    _, contract = drafted(csv_file(tmp_path / "Things.csv", "Übung id,2015 total,delivery_day", rows))
    assert [(column.name, column.synonyms) for column in contract.columns] == [
        ("ubung_id", ("Übung id",)),
        ("column_2015_total", ("2015 total",)),
        ("column_delivery_day", ("delivery_day",)),
    ]


def test_values_that_yaml_reads_otherwise_stay_texts(tmp_path: Path) -> None:
    rows = [f"{place},{['NO', 'its', '007', '# x'][place % 4]}" for place in range(40)]
    _, contract = drafted(csv_file(tmp_path / "Things.csv", "y,yes", rows))
    assert [column.name for column in contract.columns] == ["y", "yes"]
    assert sorted(contract.column("yes").allowed or ()) == sorted(["NO", "its", "007", "# x"])


def test_a_column_that_one_month_lacks_is_optional(tmp_path: Path) -> None:
    months = [
        csv_file(tmp_path / "Stops_2026-01.csv", "stop_id,zone,beat", [f"{place},4,North" for place in range(9)]),
        csv_file(tmp_path / "Stops_2026-02.csv", "stop_id,zone", [f"{place},5" for place in range(9)]),
    ]
    draft, contract = drafted(*months)
    assert [column.required for column in contract.columns] == [True, True, False]
    assert "absent in Stops_2026-02.csv" in comments(draft)
    assert contract.file_patterns == ("stops*",)


def agency_files(tmp_path: Path, other_dates: str) -> list[Path]:
    reasons = ["Speeding", "Equipment", "Checkpoint"]
    aurora = [f"C{place:05},{1 + place % 12}/{13 + place % 9}/2025,{reasons[place % 3]}" for place in range(60)]
    tulsa = [
        f"C{place:05};{date(2025, 1 + place % 12, 13 + place % 9):{other_dates}};{reasons[place % 3]}"
        for place in range(60)
    ]
    return [
        csv_file(tmp_path / "aurora" / "Traffic_Stops.csv", "Case Number,Stop Date,Stop Reason", aurora),
        csv_file(tmp_path / "tulsa" / "stops.csv", "CASE_NO;DateOfStop;Reason", tulsa),
    ]


def test_other_headers_of_another_agency_with_the_same_content_become_synonyms(tmp_path: Path) -> None:
    draft, contract = drafted(*agency_files(tmp_path, "%Y-%m-%d"))
    assert {column.name: column.synonyms for column in contract.columns} == {
        "case_number": ("CASE_NO",),
        "stop_date": ("DateOfStop",),
        "stop_reason": ("Reason",),
    }
    assert set(contract.column("stop_date").formats) == {"M/d/yyyy", "yyyy-MM-dd"}
    assert "M/d/yyyy in aurora/Traffic_Stops.csv, yyyy-MM-dd in tulsa/stops.csv" in comments(draft)


def test_agencies_with_the_other_order_of_day_and_month_make_a_text_and_the_comment_says_why(tmp_path: Path) -> None:
    draft, contract = drafted(*agency_files(tmp_path, "%d/%m/%Y"))
    assert contract.column("stop_date").type == "string"
    assert "M/d/yyyy in aurora/Traffic_Stops.csv, d/M/yyyy in tulsa/stops.csv" in comments(draft)


def test_a_large_column_is_sampled_and_the_draft_still_accepts_every_row(tmp_path: Path) -> None:
    rows = [f"R{place},{place % 7_919}.5,{'x' * (place % 3)}" for place in range(30_000)]
    rows[29_999] = "R29999,n/a,"
    rows[20_000] = "R20000,seven,x"
    draft, contract = drafted(csv_file(tmp_path / "Readings.csv", "reading_id,value,note", rows))
    assert contract.column("value").type == "number"
    assert contract.column("value").null_tokens == ("n/a",)
    assert contract.primary_key == ("reading_id",)
    assert (draft.rows, draft.quarantined) == (30_000, 1)


def test_a_surname_that_reads_like_an_empty_cell_stays_a_name(tmp_path: Path) -> None:
    names = ["NA", "Null", *["Samplebex", "Sampledov", "-"] * 100]
    rows = [f"{place},{name},{['NA', '4'][place % 2]}" for place, name in enumerate(names)]
    _, contract = drafted(csv_file(tmp_path / "People.csv", "person_id,last_name,beat", rows))
    assert [column.null_tokens for column in contract.columns] == [(), ("-",), ("NA",)]


def test_day_numbers_of_excel_are_dates_if_the_name_says_so(tmp_path: Path) -> None:
    rows = [f"{place},{40_000 + place},{40_000 + place}" for place in range(40)]
    _, contract = drafted(csv_file(tmp_path / "People.csv", "person_id,hire_date,salary_total", rows))
    assert [column.type for column in contract.columns] == ["string", "date", "integer"]


@pytest.mark.parametrize("header", ["name", "notes", "reviewed by", "officer", "Supervisor"])
def test_a_list_of_a_few_persons_is_never_written(tmp_path: Path, header: str) -> None:
    rows = [f"{place},{['Baxezov Diqezax', 'Fovuj'][place % 2]}" for place in range(60)]
    draft, contract = drafted(csv_file(tmp_path / "Reviews.csv", f"review_id,{header}", rows))
    assert contract.columns[1].allowed is None
    assert "Baxezov" not in draft.text


def test_texts_of_a_form_that_odcs_names_have_that_format_and_no_pattern(tmp_path: Path) -> None:
    rows = [f"{UUID(int=place)},baxezov{place}@example.org,10.0.0.{place}" for place in range(40)]
    draft, contract = drafted(csv_file(tmp_path / "Logins.csv", "login_id,contact,host", rows))
    assert [column.named_format for column in contract.columns] == ["uuid", "email", "ipv4"]
    assert [column.pattern for column in contract.columns] == [None] * 3
    assert "baxezov" not in draft.text


def test_a_header_of_two_rows_is_joined_and_the_draft_says_so(tmp_path: Path) -> None:
    rows = ["ID,Name,Name,Sex,Date", *(f"{place},Baxezov,Diqezax,M,1/{1 + place % 28}/2025" for place in range(30))]
    draft, contract = drafted(csv_file(tmp_path / "Stops.csv", "Officer,,Driver,,Stop", rows))
    names = ["officer_id", "officer_name", "driver_name", "driver_sex", "stop_date"]
    assert [column.name for column in contract.columns] == names
    assert contract.column("stop_date").type == "date"
    assert "The header of Stops.csv has 2 rows, whose names are joined" in comments(draft)
    assert (draft.rows, draft.quarantined) == (30, 0)


def test_repeated_headers_and_a_second_table_do_not_change_types(tmp_path: Path) -> None:
    header = "stop_id,stop_date,reason"
    rows = [f"{place},1/{1 + place % 28}/2025,{['Speed', 'Light'][place % 2]}" for place in range(40)]
    pages = [*rows[:20], header, *rows[20:], "", "Officers", "badge,last_name,rank", "11,Baxezov,SGT"]
    draft, contract = drafted(csv_file(tmp_path / "Stops.csv", header, pages))
    assert [column.type for column in contract.columns] == ["string", "date", "string"]
    assert contract.column("reason").allowed == ("Light", "Speed")
    assert "3 damaged rows would be quarantined (row.outside_table)" in comments(draft)


def test_names_and_notes_are_texts_whatever_they_hold(tmp_path: Path) -> None:
    rows = [f"{place},N,{place},Y" for place in range(30)]
    _, contract = drafted(csv_file(tmp_path / "Stops.csv", "stop_id,middle_initial,notes,searched", rows))
    assert [column.type for column in contract.columns] == ["string", "string", "string", "boolean"]


def test_the_codes_of_an_attribute_are_a_list_and_stay_restricted(tmp_path: Path) -> None:
    rows = [f"{place},{'WBH'[place % 3]},{'MF'[place % 2] if place else 'Q'}" for place in range(60)]
    _, contract = drafted(csv_file(tmp_path / "Stops.csv", "stop_id,driver_race,driver_sex", rows))
    assert [column.allowed for column in contract.columns] == [None, ("B", "H", "W"), None]
    assert [column.classification for column in contract.columns] == [None, "restricted", "restricted"]


def test_a_role_in_a_name_hides_the_person_and_not_what_is_said_about_them(tmp_path: Path) -> None:
    rows = [f"{place},{['Armed', 'Unarmed'][place % 2]},{['Baxezov', 'Diqezax'][place % 2]}" for place in range(60)]
    draft, contract = drafted(csv_file(tmp_path / "Force.csv", "force_id,subject_armed,officer_2", rows))
    assert [column.allowed for column in contract.columns] == [None, ("Armed", "Unarmed"), None]
    assert "Baxezov" not in draft.text


def test_the_few_officers_of_a_file_are_no_list_and_its_few_codes_are(tmp_path: Path) -> None:
    rows = [f"{place},O{place % 5},{['09A', '13B'][place % 2]}" for place in range(60)]
    _, contract = drafted(csv_file(tmp_path / "Stops.csv", "stop_id,officer_id,offense_code", rows))
    assert [column.allowed for column in contract.columns] == [None, None, ("09A", "13B")]


def test_columns_that_chance_keeps_from_repeating_are_no_key(tmp_path: Path) -> None:
    rows = [f"C{place % 30},1/{1 + place % 28}/2025" for place in range(40)]
    draft, contract = drafted(csv_file(tmp_path / "Training.csv", "course_id,completed", rows))
    assert contract.primary_key == ()
    assert "No key was found" in comments(draft)


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("{0},5", "looks like numbers with a decimal comma, which are read as text; ask for a decimal point"),
        ("{0}%", "looks like percentages"),
        ("USD {0}.00", "looks like amounts with their currency"),
        ("2025-01-{0:02}T10:00:00-05:00", "looks like times with a time zone"),
    ],
)
def test_a_text_that_looks_like_another_type_says_what_to_ask_for(tmp_path: Path, text: str, remark: str) -> None:
    rows = [f'{place};"{text.format(1 + place % 28)}"' for place in range(60)]
    draft, contract = drafted(csv_file(tmp_path / "Fines.csv", "fine_id;amount", rows))
    assert contract.column("amount").type == "string"
    assert remark in comments(draft)


def test_an_identifier_that_looks_like_a_date_stays_a_text_and_a_column_of_compact_dates_does_not(
    tmp_path: Path,
) -> None:
    rows = [f"2025-0{1 + place % 9}-{10 + place % 18},202501{1 + place % 28:02}" for place in range(60)]
    _, contract = drafted(csv_file(tmp_path / "Reports.csv", "case_no,filed", rows))
    assert [column.type for column in contract.columns] == ["string", "date"]


def test_a_column_that_always_says_null_is_empty(tmp_path: Path) -> None:
    draft, contract = drafted(csv_file(tmp_path / "Things.csv", "thing_id,beat", [f"{n},NULL" for n in range(30)]))
    assert (contract.column("beat").required, contract.column("beat").null_tokens) == (False, ("NULL",))
    assert "NULL means empty in 30 rows" in comments(draft)


@pytest.mark.parametrize(
    ("names", "patterns"),
    [
        (["UOF_FY24_Export.csv"], ("uof*export*",)),
        (["14_xls95_red_number.csv"], ("*xls*red*number*",)),
        (["2026-01 Stops.csv", "2026-02 Stops.csv"], ("*stops*",)),
        (["Jan_Uof_12_Report.csv", "Feb_Uof_13_Report.csv"], ("*uof*report*",)),
    ],
)
def test_patterns_of_file_names_leave_room_for_the_digits_of_the_next_file(
    tmp_path: Path, names: list[str], patterns: tuple[str, ...]
) -> None:
    paths = [csv_file(tmp_path / name, "stop_id,beat", [f"{place},North" for place in range(9)]) for name in names]
    assert drafted(*paths)[1].file_patterns == patterns


@pytest.mark.parametrize(
    ("header", "bounds"),
    [("driver_age", (0, 130)), ("share_white", (0, 100)), ("hour", (0, 23)), ("stops", (0, 200))],
)
def test_bounds_are_those_of_the_name_where_it_implies_some(
    tmp_path: Path, header: str, bounds: tuple[int, int]
) -> None:
    rows = [f"{place},{10 + place % 13 * (1 if header == 'hour' else 6)}" for place in range(60)]
    _, contract = drafted(csv_file(tmp_path / "Stops.csv", f"stop_id,{header}", rows))
    assert (contract.columns[1].minimum, contract.columns[1].maximum) == bounds


def test_phone_numbers_without_separators_are_confidential_and_a_pay_period_is_not(tmp_path: Path) -> None:
    rows = [f"{place},{5052000000 + place * 7_654_321 % 7_999_999},2025-{1 + place % 12:02}" for place in range(60)]
    _, contract = drafted(csv_file(tmp_path / "Staff.csv", "staff_id,cell_phone,pay_period", rows))
    assert [column.classification for column in contract.columns] == [None, "confidential", None]


def test_one_social_security_number_in_a_column_hides_its_values(tmp_path: Path) -> None:
    values = ["North", "South", "219-09-9999"]
    rows = [f"{place},{values[place % 3]}" for place in range(60)]
    draft, contract = drafted(csv_file(tmp_path / "Stops.csv", "stop_id,area", rows))
    assert contract.column("area").allowed is None
    assert "219-09" not in draft.text


def test_a_date_of_zeros_is_an_empty_cell(tmp_path: Path) -> None:
    rows = [f"{place},{'00/00/0000' if place % 4 == 0 else f'1/{1 + place % 28}/2025'}" for place in range(60)]
    _, contract = drafted(csv_file(tmp_path / "Stops.csv", "stop_id,closed", rows))
    assert (contract.column("closed").type, contract.column("closed").null_tokens) == ("date", ("00/00/0000",))


def test_a_file_name_without_ascii_words_has_a_pattern_for_the_next_file(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "Éléments_2026.csv", "item_id,beat", [f"{place},North" for place in range(9)])
    _, contract = drafted(path, dataset="items")
    assert choose_contract([contract], "éléments 2027.csv") is contract


@pytest.mark.parametrize("period", ["2025-0{}", "Q{} 2025", "FY 202{}"])
def test_the_periods_of_a_file_are_no_list(tmp_path: Path, period: str) -> None:
    rows = [f"{place},{period.format(1 + place % 4)}" for place in range(60)]
    _, contract = drafted(csv_file(tmp_path / "Counts.csv", "count_id,reported_for", rows))
    assert contract.column("reported_for").allowed is None


def test_a_workbook_is_drafted_from_the_sheet_with_the_table(tmp_path: Path) -> None:
    rows = [
        ["stop id", "reason", "date"],
        *([n, ["Speed", "Light"][n % 2], date(2025, 1, 1 + n % 28)] for n in range(40)),
    ]
    path = tmp_path / "Stops.xlsx"
    path.write_bytes(workbook({"About": [["about"], ["stops of January"]], "Data": rows}))
    draft, contract = drafted(path)
    assert [(column.name, str(column.type)) for column in contract.columns] == [
        ("stop_id", "string"),
        ("reason", "string"),
        ("date", "date"),
    ]
    assert "Drafted from the sheet Data of Stops.xlsx, and not from About" in comments(draft)


def test_dates_that_are_distributed_like_births_are_noted_and_not_shown(tmp_path: Path) -> None:
    born = [date(1950 + year, 1 + year % 12, 1 + year % 28) for year in range(56)]
    rows = [f"{day:%m/%d/%Y},{day.replace(year=2026):%m/%d/%Y}" for day in born]
    draft, contract = drafted(csv_file(tmp_path / "Things.csv", "subj_ref,noted", rows))
    text = comments(draft)
    assert text.count("may be birth dates") == 1
    assert contract.column("subj_ref").classification is None
