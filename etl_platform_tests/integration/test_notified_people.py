"""People are told through real servers: SMTP, and HTTP with faults. The clock is the test's, so nothing sleeps."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from etl_platform.local.emulator import listen_on_loopback
from etl_platform.local.http_server import serve_in_thread
from etl_platform.notifications.apprise_channel import AppriseChannel
from etl_platform.notifications.contacts import Contact, When
from etl_platform_tests.unit.notifications.scene import Killed, Life, Scene

DELIVERIES = 1_000
_ID = re.compile(r"^id: (\S+)$", re.MULTILINE)


class Mailbox:
    """Takes every message, and can refuse."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.refuses = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuses:
            return "451 try again later"
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    @property
    def ids(self) -> list[str]:
        return [one for message in self.messages for one in _ID.findall(_text(message))]


def _text(message: Any) -> str:
    body = message.get_body(("plain", "html"))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    with listen_on_loopback() as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, f"mailto://127.0.0.1:{port}?from=etl@platform.example&to=data@agency.example&format=text"
    finally:
        controller.stop()


class Receiver:
    """Answers posts of Apprise's json://, and misbehaves as it is told."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.fault = ""
        self.lock = threading.Lock()

    @property
    def ids(self) -> list[str]:
        return [one for body in self.bodies for one in _ID.findall(body)]


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if state.fault == "cut":
                self.connection.close()
                return
            if state.fault != "503":
                with state.lock:
                    state.bodies.append(json.loads(body)["message"])
            if state.fault == "cut after":
                # It has the message, and the sender does not know.
                self.connection.close()
                return
            self.send_response(503 if state.fault == "503" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with serve_in_thread(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield state, url.replace("http://", "json://") + "/"


def channel(name: str, url: str, **fields: Any) -> AppriseChannel:
    return AppriseChannel(Contact(name, url, **fields), lambda _: "")


def scene_of(*channels: AppriseChannel) -> Scene:
    made: Any = channels
    return Scene(*made).begin()


def test_a_refused_file_is_an_email_that_says_what_happened(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    scene = scene_of(channel("team", url))
    report = scene.report()
    scene.round()
    (message,) = box.messages
    assert message["Subject"] == "rejected: Officer_Detail.csv officer_detail nm_albuquerque"
    assert message["To"] == "data@agency.example"
    assert f"id: {report.delivery_id}.rejected" in _text(message).splitlines()


def test_a_thousand_events_reach_a_mailbox_and_a_receiver_that_was_dead_for_a_minute(
    mailbox: tuple[Mailbox, str], receiver: tuple[Receiver, str]
) -> None:
    box, mail_url = mailbox
    service, url = receiver
    scene = scene_of(channel("team", mail_url), channel("service", url))
    ids = set()
    for number in range(DELIVERIES):
        ids.add(f"{scene.report().delivery_id}.rejected")
        if number % 100 == 99:
            # Dead from the third to the fifth round; messages of the fourth were taken, and it did not say so.
            service.fault = {200: "503", 300: "cut after", 400: "cut"}.get(number // 100 * 100, "")
            scene.round(timedelta(seconds=30))
    service.fault = ""
    for _ in range(4):
        scene.round(timedelta(minutes=2))
    assert set(box.ids) == set(service.ids) == ids
    assert len(box.ids) == DELIVERIES
    # 50 events in a message: a burst is no flood of messages.
    assert len(box.messages) == DELIVERIES / 50
    assert max(Counter(service.ids).values()) > 1


@pytest.mark.parametrize("calls", range(1, 40))
def test_killed_at_a_call_the_next_process_sends_the_same_ids(receiver: tuple[Receiver, str], calls: int) -> None:
    service, url = receiver
    scene = scene_of(channel("service", url))
    ids = {f"{scene.report().delivery_id}.rejected" for _ in range(3)}
    scene.now += timedelta(minutes=1)
    try:
        scene.notifier(Life(calls)).round()
    except Killed:
        scene.round()
    assert set(service.ids) == ids


def test_a_server_that_refuses_a_message_is_tried_again_and_named(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    box.refuses = True
    scene = scene_of(channel("team", url), channel("gone", "mailto://127.0.0.1:9?from=a@b.example&to=c@d.example"))
    scene.report()
    assert scene.round().failed == ["gone", "team"]
    assert scene.outbox.channel("team").error == "team: the service did not take the message"
    box.refuses = False
    assert scene.round().failed == ["gone"]
    assert len(box.messages) == 1


def test_a_daily_contact_gets_one_email_a_day(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    scene = scene_of(channel("team", url, when=When.DAILY))
    for _ in range(48):
        scene.report()
        scene.round(timedelta(minutes=30))
    assert [message["Subject"] for message in box.messages] == ["46 events: 46 rejected"]
