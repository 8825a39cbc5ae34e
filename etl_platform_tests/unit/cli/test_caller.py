"""Who is recorded as the caller of a command."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.cli.caller import Caller, identify_caller, short_name
from etl_platform.settings import Settings

ARN = "arn:aws-us-gov:sts::111122223333:assumed-role/deployers/jane"


@given(st.text(max_size=60), st.one_of(st.none(), st.just(ARN)), st.text(min_size=1, max_size=20))
def test_no_note_passes_for_the_identity(note: str, arn: str | None, user: str) -> None:
    named = Caller(arn, user or "x", note)
    identity, _, rest = str(named).partition(" (")
    assert identity == str(Caller(arn, user))
    assert rest == (f"{note})" if note else "")


def test_without_aws_the_caller_is_the_local_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOGNAME", "ana")
    settings = Settings(local_s3_root=tmp_path)
    assert str(identify_caller(settings)) == "ana"
    assert str(identify_caller(settings, " court\norder\x00 ")) == "ana (court order)"
    assert identify_caller(settings).arn is None


def test_tables_show_the_caller_without_account_and_partition() -> None:
    assert short_name(str(Caller(ARN, "root", "for: ana"))) == "assumed-role/deployers/jane (for: ana)"
    assert short_name("ana (arn:aws:iam::1:user/other)") == "ana (arn:aws:iam::1:user/other)"
