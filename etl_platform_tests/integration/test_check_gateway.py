"""Files checked at the gateway: verdicts, tokens, receipts, what is refused, and that nothing of a file is left."""

import hashlib
import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import requests

from etl_platform.gateway.checks.admission import CHECKS_PER_TOKEN, WRONG_TOKENS_PER_ADDRESS
from etl_platform.gateway.checks.receipts import receipt_code
from etl_platform.gateway.checks.tokens import new_token
from etl_platform_tests.integration.check_gateways import CheckGateway, check_gateway
from etl_platform_tests.unit.engine.pages.page_parts import ATTACKS, Parts
from etl_platform_tests.unit.engine.web_check.forms import CONTENT_TYPE, form
from etl_platform_tests.unit.engine.web_check.test_posted_file import BAD, GOOD, HEADER

FILE = (HEADER + GOOD + BAD).encode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckGateway]:
    with check_gateway(tmp_path_factory.mktemp("gateway"), GATEWAY_CHECK_MAX_MIB="2") as gateway:
        yield gateway


def test_a_file_is_answered_with_its_verdict_as_json(gateway: CheckGateway) -> None:
    status, report = gateway.post(FILE, gateway.tokens[0], "/check/officer_detail?file=Officer_Detail.csv")
    assert (status, report["outcome"], report["reasons"]) == (200, "accepted", {"hire_date.type": 1})
    assert (report["file"], report["notes"]) == ("Officer_Detail.csv", [])
    assert not {"profile", "preview"} & set(report)


def test_a_receipt_follows_from_the_file_the_contract_and_the_time_and_is_logged(gateway: CheckGateway) -> None:
    _, report = gateway.post(FILE, gateway.tokens[1])
    at = datetime.fromisoformat(report["checked_at"])
    assert report["receipt"] == receipt_code(hashlib.sha256(FILE).hexdigest(), report["contract"]["sha256"], at)
    logged = [json.loads(line) for line in gateway.log.splitlines() if report["receipt"] in line]
    assert [(line["agency"], line["dataset"], line["outcome"]) for line in logged] == [
        ("agency_1", "officer_detail", "accepted")
    ]


def test_the_form_of_the_page_is_answered_with_the_verdict_page(gateway: CheckGateway) -> None:
    page = requests.get(f"{gateway.url}/check", headers={"X-Forwarded-For": "10.0.0.9"}, timeout=20)
    assert ('type="password"' in page.text, "officer_detail" in page.text) == (True, False)
    answer = gateway.post_form(FILE, gateway.tokens[2])
    assert answer.status_code == 200
    assert "1 of its 2 rows will not be taken" in answer.text
    assert re.search("[A-Z2-7]{4}(-[A-Z2-7]{4}){3}", Parts(answer.text).text)
    for shown in (page, answer):
        assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
        assert shown.headers["Cache-Control"] == "no-store"


def test_a_dataset_that_is_unknown_or_not_clear_is_named(gateway: CheckGateway) -> None:
    status, refused = gateway.post(FILE, gateway.tokens[3], "/check/officer_detial")
    assert (status, refused["reason"]) == (404, "unknown_dataset")
    assert "Did you mean officer_detail?" in refused["detail"]
    answer = gateway.post_form(FILE, gateway.tokens[3], "export.csv")
    assert answer.status_code == 404
    assert 'value="officer_detail"' in answer.text
    assert gateway.tokens[3] not in answer.text


@pytest.mark.parametrize(
    "path", ["/check/..%2f..%2fetc%2fpasswd", "/check/%00", "/check/a?file=..%2f..%2fx", "/check/" + "a" * 5_000]
)
def test_tricks_with_paths_reach_nothing(gateway: CheckGateway, path: str) -> None:
    headers = {"Authorization": f"Bearer {gateway.tokens[4]}", "X-Forwarded-For": "10.0.8.1"}
    assert requests.post(gateway.url + path, data=FILE, headers=headers, timeout=60).status_code == 404
    assert gateway.files() == []


@pytest.mark.parametrize(
    "token",
    [None, "", "wrong", "etlp_" + "a" * 43, "ü", "a" * 9_000],
    ids=["none", "empty", "wrong", "of the right shape", "not of ASCII", "long"],
)
def test_without_the_right_token_nothing_is_checked(gateway: CheckGateway, token: str | None) -> None:
    sent = token.encode().decode("latin-1") if token else token
    status, refused = gateway.post(FILE, sent, address="10.0.1.1")
    assert (status, refused["reason"]) == (401, "unauthorized")
    assert gateway.post_form(FILE, token or "", address="10.0.1.2").status_code in {401, 400}


def test_a_form_with_the_token_behind_the_file_is_refused(gateway: CheckGateway) -> None:
    whole = form("Officer_Detail.csv", FILE)
    late = form(None, b"", fields=[("token", gateway.tokens[5])])
    body = whole[: whole.rindex(b"--" + CONTENT_TYPE.partition("boundary=")[2].encode())] + late
    headers = {"Content-Type": CONTENT_TYPE, "X-Forwarded-For": "10.0.1.3"}
    assert requests.post(f"{gateway.url}/check", data=body, headers=headers, timeout=20).status_code == 401


def test_many_wrong_tokens_close_an_address_also_for_the_right_one_and_no_other_address(gateway: CheckGateway) -> None:
    for _ in range(WRONG_TOKENS_PER_ADDRESS):
        assert gateway.post(FILE, "wrong", address="10.0.2.1, 10.0.2.2")[0] == 401
    status, refused = gateway.post(FILE, gateway.tokens[6], address="10.0.2.9, 10.0.2.2")
    assert (status, refused["reason"]) == (429, "too_many_tokens")
    assert gateway.post(FILE, gateway.tokens[6], address="10.0.2.2, 10.0.2.3")[0] == 200


def test_a_replaced_token_works_without_a_restart_and_the_old_one_no_longer(gateway: CheckGateway) -> None:
    file = gateway.folder / "tokens"
    before, (token, line) = file.read_text("utf-8"), new_token("agency_7")
    assert gateway.post(FILE, token, address="10.0.3.1")[0] == 401
    file.write_text(f"{before}\n{line}\n", "utf-8")
    assert gateway.post(FILE, token, address="10.0.3.1")[0] == 200
    assert gateway.post(FILE, gateway.tokens[7], address="10.0.3.1")[0] == 200
    file.write_text("agency_7 the token itself\n", "utf-8")
    assert gateway.post(FILE, token, address="10.0.3.1")[0] == 200, "an unreadable file changes nothing"
    file.write_text(before, "utf-8")
    assert gateway.post(FILE, token, address="10.0.3.1")[0] == 401


@pytest.mark.parametrize("length", [2 << 20, (2 << 20) + 1, 30 << 20])
def test_only_a_file_above_the_limit_is_too_large(gateway: CheckGateway, length: int) -> None:
    content = FILE + b"\n" * (length - len(FILE))
    token, most = gateway.tokens[8], 2 << 20
    expected = 200 if length <= most else 413
    chunked = (content[start : start + (1 << 16)] for start in range(0, length, 1 << 16))
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": "10.0.4.1"}
    answers = [
        requests.post(f"{gateway.url}/check/officer_detail", data=body, headers=headers, timeout=60).status_code
        for body in (content, chunked)
    ]
    answers.append(gateway.post_form(content, token).status_code)
    assert answers == [expected] * 3


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("text/csv", 415), ("application/x-www-form-urlencoded", 415), ("multipart/form-data", 415)],
)
def test_the_page_takes_its_form_only(gateway: CheckGateway, content_type: str, status: int) -> None:
    headers = {"Content-Type": content_type, "X-Forwarded-For": "10.0.5.1"}
    assert requests.post(f"{gateway.url}/check", data=FILE, headers=headers, timeout=20).status_code == status
    assert gateway.post(b"", gateway.tokens[9])[1]["reason"] == "no_file"


def test_nothing_of_a_file_is_left_in_logs_or_on_the_disk(gateway: CheckGateway) -> None:
    secrets = ("Zzyzxson", "q8w7e6r5", "Vault_of_names", "1931-12-25")
    rows = HEADER.replace("\n", f",{secrets[1]}\n") + f"A1,{secrets[0]},Jo,2001-02-03,{secrets[3]},{secrets[0]}\n"
    gateway.post_form(rows.encode(), gateway.tokens[10], f"{secrets[2]}.csv")
    for content in (rows, rows.replace("hire_date", "x"), f'"{rows}'):
        gateway.post_form(content.encode(), gateway.tokens[10], f"{secrets[2]}.csv", "officer_detail")
    gateway.post(rows.encode(), gateway.tokens[11], f"/check/{secrets[0]}?file={secrets[2]}.csv")
    log = gateway.log
    assert log.count("agency_10") == 4
    for secret in (*secrets, *gateway.tokens):
        assert secret not in log
    assert gateway.files() == []
    assert not [name for name in secrets if name in gateway.metrics()]


def test_personal_values_never_come_back(gateway: CheckGateway) -> None:
    content = (HEADER + GOOD + BAD.replace("1971-05-06", "06/99/1971")).encode()
    texts = [
        gateway.post_form(content, gateway.tokens[12]).text,
        json.dumps(gateway.post(content, gateway.tokens[12])[1]),
    ]
    for text in texts:
        assert "hire_date" in text
        assert not [value for value in ("Doe", "Roe", "1970-01-01", "06/99/1971", "data:") if value in text]


@pytest.mark.parametrize("attack", ATTACKS[:2])
def test_no_name_header_or_dataset_breaks_out_of_the_page(gateway: CheckGateway, attack: str) -> None:
    text = f'{HEADER[:-1]},"{attack.replace(chr(34), chr(34) * 2)}"\n{GOOD[:-1]},y\n'
    for dataset in ("officer_detail", attack):
        page = Parts(gateway.post_form(text.encode(), gateway.tokens[13], f"{attack}.csv", dataset).text)
        assert not [tag for tag, names in page.elements if tag in {"script", "img"} or {"onload", "onerror"} & names]


def test_a_token_that_is_used_too_often_waits(gateway: CheckGateway) -> None:
    for _ in range(CHECKS_PER_TOKEN):
        assert gateway.post(b"", gateway.tokens[14], address="10.0.6.1")[1]["reason"] == "no_file"
    answer = requests.post(
        f"{gateway.url}/check/officer_detail",
        data=FILE,
        headers={"Authorization": f"Bearer {gateway.tokens[14]}", "X-Forwarded-For": "10.0.6.2"},
        timeout=20,
    )
    assert (answer.status_code, answer.json()["reason"]) == (429, "too_many_checks")
    assert 0 < int(answer.headers["Retry-After"]) <= 601


def head(path: str, length: int, header: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{header}\r\nContent-Length: {length}\r\n\r\n".encode()


def test_a_slow_file_keeps_its_token_only_and_is_cut_off_without_a_token(gateway: CheckGateway) -> None:
    token = gateway.tokens[15]
    with (
        socket.create_connection(("127.0.0.1", gateway.port), 30) as slow,
        socket.create_connection(("127.0.0.1", gateway.port), 30) as late,
    ):
        slow.sendall(head("/check/officer_detail", 100, f"Authorization: Bearer {token}") + b"officer")
        began = time.monotonic()
        late.sendall(head("/check", 1_000, f"Content-Type: {CONTENT_TYPE}"))
        while (found := gateway.post(FILE, token))[1].get("reason") != "token_in_use":
            assert time.monotonic() < began + 30, found
        assert found[0] == 429
        assert gateway.post(FILE, gateway.tokens[16])[0] == 200
        late.settimeout(40)
        assert late.recv(4_096).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 30
    # The place is free again once its client has gone.
    deadline = time.monotonic() + 30
    while gateway.post(FILE, token)[0] != 200:
        assert time.monotonic() < deadline


def test_what_a_killed_gateway_has_left_is_deleted_at_the_next_start(tmp_path: Path) -> None:
    with check_gateway(tmp_path) as gateway, socket.create_connection(("127.0.0.1", gateway.port), 30) as peer:
        peer.sendall(head("/check/a", 9, f"Authorization: Bearer {gateway.tokens[0]}") + b"abc")
        deadline = time.monotonic() + 30
        while not gateway.files():
            assert time.monotonic() < deadline
        os.kill(gateway.process.pid, signal.SIGKILL)
        gateway.process.wait()
    assert gateway.files()
    with check_gateway(tmp_path) as again:
        assert again.files() == []
    assert not list(tmp_path.glob("etl-platform-checks-*")), "a gateway that stops leaves nothing"
