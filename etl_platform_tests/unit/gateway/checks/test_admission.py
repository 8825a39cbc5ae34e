"""Tokens, rates, addresses and receipts of checks over the web."""

import hashlib
from contextlib import ExitStack
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.cli.main import main
from etl_platform.engine.web_check.file_form import RefusedPostError
from etl_platform.errors import SettingsError
from etl_platform.gateway.checks.admission import UPLOADS_AT_ONCE, Admission
from etl_platform.gateway.checks.rate_limits import RateLimit, client_address
from etl_platform.gateway.checks.receipts import receipt_code
from etl_platform.gateway.checks.tokens import CheckTokens, TokenLine, new_token

AT = datetime(2026, 11, 30, 8, tzinfo=UTC)


def tokens(folder: Path, *lines: str) -> CheckTokens:
    path = folder / "tokens"
    path.write_text("\n".join(lines), "utf-8")
    return CheckTokens(path)


def test_a_token_finds_its_agency_and_nothing_else_does(tmp_path: Path) -> None:
    (first, line), (second, other), (stranger, _) = (new_token(name) for name in ("a", "b", "c"))
    found = tokens(tmp_path, "# agencies", "", line, f"  {other}  ")
    assert [getattr(found.find(token), "agency", None) for token in (first, second, stranger)] == ["a", "b", None]
    for wrong in ("", first[:-1], f"{first} ", first.upper(), line.split()[1], "\ud800", "ü"):
        assert found.find(wrong) is None


def test_the_file_has_no_token_and_each_token_is_new() -> None:
    made = [new_token("a") for _ in range(100)]
    assert len({token for token, _ in made}) == 100
    assert not [token for token, line in made if token in line]


def test_both_tokens_of_an_agency_are_right_while_one_replaces_the_other(tmp_path: Path) -> None:
    (old, old_line), (new, new_line) = new_token("a"), new_token("a")
    found = tokens(tmp_path, old_line, new_line)
    assert found.find(old) == TokenLine(*old_line.split())
    assert found.find(new) == TokenLine(*new_line.split())
    tokens(tmp_path, new_line, "")
    assert (found.find(old), found.find(new)) == (None, TokenLine(*new_line.split()))


@pytest.mark.parametrize("line", ["a", "a etlp_secret-itself", f"a {'0' * 63}", f"a {'0' * 64} more", f"a {'G' * 64}"])
def test_a_wrong_line_is_an_error_that_does_not_show_it(tmp_path: Path, line: str) -> None:
    with pytest.raises(SettingsError, match="tokens:2: not a line of tokens") as wrong:
        tokens(tmp_path, new_token("a")[1], line)
    assert "secret" not in str(wrong.value)
    with pytest.raises(SettingsError, match=r"GATEWAY_CHECK_TOKENS_FILE.* cannot be read"):
        CheckTokens(tmp_path / "nothing")


def test_the_command_prints_a_token_and_the_line_that_accepts_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "la_new_orleans"]) == 0
    _, token, _, line = capsys.readouterr().out.splitlines()
    found = tokens(tmp_path, line).find(token.strip())
    assert found is not None
    assert found.agency == "la_new_orleans"
    assert main(["token", "two words"]) == 2


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 30)), max_size=60))
def test_in_no_window_a_key_is_used_more_often_than_it_may(calls: list[tuple[str, float]]) -> None:
    limit, now = RateLimit(3, 10.0), 0.0
    used: dict[str, list[float]] = {"a": [], "b": []}
    for key, pause in calls:
        now += pause / 5
        wait_s = limit.use(key, now)
        recent = [at for at in used[key] if at > now - 10.0]
        assert (wait_s == 0) == (len(recent) < 3), "a key is refused for its own uses only"
        if wait_s:
            assert deepcopy(limit).wait_s(key, now + wait_s) == pytest.approx(0, abs=1e-9)
        else:
            used[key].append(now)


def test_a_flood_of_keys_takes_no_more_memory() -> None:
    limit = RateLimit(1, 1_000.0)
    for number in range(20_000):
        limit.use(str(number), 0.0)
    assert len(limit._uses) == 10_000


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "expected"),
    [
        ("10.0.0.1", "", 0, "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", 0, "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", 1, "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", 1, "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", 2, "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4", 2, "10.0.0.1"),
        ("10.0.0.1", "nonsense", 1, "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "", 0, "2001:0db8:0001:0002"),
        ("2001:db8:1:2:ffff::1", "", 0, "2001:0db8:0001:0002"),
    ],
)
def test_an_address_is_what_the_nearest_proxy_of_ours_saw(
    peer: str, forwarded: str, proxies: int, expected: str
) -> None:
    assert client_address(peer, forwarded, proxies) == expected


def test_places_are_one_for_each_token_and_limited_in_all(tmp_path: Path) -> None:
    admission = Admission(tokens(tmp_path))
    lines = [TokenLine("a", hashlib.sha256(bytes([number])).hexdigest()) for number in range(UPLOADS_AT_ONCE + 1)]
    with ExitStack() as stack:
        for line in lines[:-1]:
            stack.enter_context(admission.place(line))
        for line, code in ((lines[0], "token_in_use"), (lines[-1], "busy")):
            with pytest.raises(RefusedPostError, match=code):
                stack.enter_context(admission.place(line))
    with admission.place(lines[-1]):
        pass


@given(st.text(), st.text(), st.integers(0, 59))
def test_a_receipt_is_a_short_code_of_file_contract_and_time(file: str, contract: str, second: int) -> None:
    file, contract = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in (file, contract))
    code = receipt_code(file, contract, AT.replace(second=second))
    assert len(code) == 19
    assert set(code) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567-")
    assert code == receipt_code(file, contract, AT.replace(second=second, microsecond=9))
    assert code != receipt_code(contract + "0", file, AT.replace(second=second))
