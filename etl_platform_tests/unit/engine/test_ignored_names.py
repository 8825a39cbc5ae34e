"""Names that are never a delivery, and names that could be one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.contract.model import DATA_SUFFIXES
from etl_platform.engine.ignored_names import ignored_name


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("Officer_Detail.csv.filepart", "half_sent"),
        ("Officer_Detail.csv.PART", "half_sent"),
        ("Officer Detail.csv.crdownload", "half_sent"),
        ("Officer_Detail.tmp", "half_sent"),
        (".Officer_Detail.csv.x7Ab2Q", "half_sent"),
        (".in.Officer_Detail.csv.", "half_sent"),
        ("Officer_Detail.csv.sha256", "companion_file"),
        ("Officer_Detail.MD5", "companion_file"),
        ("Officer_Detail.csv.sig", "companion_file"),
        ("Officer_Detail.done", "companion_file"),
        ("_SUCCESS", "companion_file"),
        ("._Officer_Detail.csv", "system_file"),
        ("~$Officer_Detail.xlsx", "system_file"),
        (".~lock.Officer_Detail.csv#", "system_file"),
        (".Officer_Detail.csv.swp", "system_file"),
        ("Officer_Detail.csv~", "system_file"),
        ("Officer_Detail.csv:Zone.Identifier", "system_file"),
        ("sub/.DS_Store", "system_file"),
        ("Thumbs.db", "system_file"),
        ("__MACOSX/Officer_Detail.csv", "system_file"),
        ("__MACOSX\\Officer_Detail.csv", "system_file"),
        (".git/Officer_Detail.csv", "system_file"),
        ("officer_detail_$folder$", "system_file"),
        (".s3-placeholder", "system_file"),
    ],
)
def test_a_name_of_a_transfer_a_companion_or_a_system_is_never_a_delivery(path: str, code: str) -> None:
    found = ignored_name(path)
    assert found is not None
    assert found.code == code
    assert found.message.startswith("the name shows ")


@pytest.mark.parametrize(
    "path",
    [
        "Officer_Detail.csv",
        "Officer_Detail.csv.gz",
        "Officer_Detail.csv.asc",
        "Officer_Detail.csv.gpg",
        "Officer_Detail.csv.bak",
        "Officer_Detail.dat",
        "Officer_Detail.part.csv",
        "Officer_Detail.tmp.csv",
        "Officer_Detail.2026.01.01",
        "Officer_Detail",
        "./Officer_Detail.csv",
        "../Officer_Detail.csv",
        "part/tmp/Officer_Detail.csv",
        "",
    ],
)
def test_a_name_that_could_be_data_is_not_ignored(path: str) -> None:
    assert ignored_name(path) is None


@given(st.from_regex(r"[A-Za-z0-9_ ()-]{1,20}", fullmatch=True), st.sampled_from(DATA_SUFFIXES))
def test_a_plain_name_with_the_suffix_of_a_supported_format_is_not_ignored(stem: str, suffix: str) -> None:
    assert ignored_name(f"folder/{stem}{suffix}") is None


@given(st.text())
def test_any_text_may_be_a_path(path: str) -> None:
    found = ignored_name(path)
    assert found is None or found.code in {"half_sent", "companion_file", "system_file"}
