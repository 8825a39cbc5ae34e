"""``check --serve`` as a program: who may post, what is answered, and that nothing is left behind."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from etl_platform.cli.main import main
from etl_platform_tests.integration.local_page import local_page
from etl_platform_tests.unit.engine.web_check.forms import CONTENT_TYPE, form
from etl_platform_tests.unit.engine.web_check.test_posted_file import BAD, GOOD, HEADER

FILE = (HEADER + GOOD + BAD).encode()


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def page(temporary: Path) -> Iterator[str]:
    with local_page(temporary) as url:
        yield url


def post(page: str, body: bytes, **headers: str) -> requests.Response:
    origin = page.rstrip("/")
    return requests.post(
        page, data=body, headers={"Origin": origin, "Content-Type": CONTENT_TYPE, **headers}, timeout=60
    )


def test_a_posted_file_is_answered_with_its_verdict_page(page: str, temporary: Path) -> None:
    answer = post(page, form("Officer_Detail.csv", FILE))
    assert answer.status_code == 200
    assert "1 of its 2 rows will not be taken" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert not [path for path in temporary.rglob("*") if path.is_file()], "nothing is kept after the answer"


def test_a_file_that_no_contract_is_for_is_answered_with_the_form_and_the_likely_dataset(page: str) -> None:
    answer = post(page, form("export.csv", FILE, fields=[("agency", "<b>a")]))
    assert answer.status_code == 404
    assert '<option value="officer_detail" selected>' in answer.text
    assert 'value="&lt;b&gt;a"' in answer.text


@pytest.mark.parametrize("origin", ["http://example.com", "null", "http://127.0.0.1", "https://127.0.0.1:1", None])
def test_a_post_of_another_origin_is_refused(page: str, origin: str | None) -> None:
    headers = {"Content-Type": CONTENT_TYPE} | ({"Origin": origin} if origin else {})
    answer = requests.post(page, data=form("Officer_Detail.csv", FILE), headers=headers, timeout=60)
    assert (answer.status_code, "verdict" in answer.text) == (403, False)


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1", "localhost", "127.0.0.1:1", "[::1]:80"])
def test_another_host_is_refused_so_that_a_rebound_name_reaches_nothing(page: str, host: str) -> None:
    assert requests.get(page, headers={"Host": host}, timeout=60).status_code == 403
    assert post(page, form("Officer_Detail.csv", FILE), Host=host, Origin=f"http://{host}").status_code == 403


def test_it_listens_on_the_loopback_address_alone(page: str) -> None:
    port = urlsplit(page).port
    assert port is not None
    with socket.socket() as other:
        # Another loopback address: a server on all addresses would answer there.
        assert other.connect_ex(("127.0.0.2", port)) != 0


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Content-Length: 99999999999", 413),
        ("Content-Length: -1", 411),
        ("Content-Length: ٣", 411),
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: 5\r\nContent-Type: text/plain", 415),
    ],
)
def test_a_post_that_is_no_form_is_refused(page: str, head: str, status: int) -> None:
    host = page[len("http://") :].rstrip("/")
    with socket.create_connection(("127.0.0.1", int(host.rpartition(":")[2])), 30) as peer:
        peer.sendall(f"POST / HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n{head}\r\n\r\n12345".encode())
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(4_096).split(b" ")[1] == str(status).encode()


def test_several_posts_at_once_are_all_answered(page: str) -> None:
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: post(page, form("Officer_Detail.csv", FILE)).status_code, range(5)))
    assert answers == [200] * 5


def test_the_arguments_of_a_check_of_named_files_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for arguments in (["a.csv"], ["--out", "x"], ["--json"], ["--html", "a.html"], ["--profile-only"]):
        assert main(["check", "--serve", *arguments]) == 2
    assert "leave --profile-only out" in capsys.readouterr().err
    assert main(["check"]) == 2
    assert main(["check", "a.csv", "--port", "1"]) == 2
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["check", "--serve", "--port", str(taken.getsockname()[1])]) == 2
    assert "leave it out for a free one" in capsys.readouterr().err
