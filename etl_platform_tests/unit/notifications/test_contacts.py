"""The contacts file, the messages made of events, and what happens while the file is in error."""

import dataclasses
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.errors import ContractError
from etl_platform.errors import SettingsError
from etl_platform.notifications.apprise_channel import AppriseChannel
from etl_platform.notifications.channel import ContactsInError
from etl_platform.notifications.contacts import Contact, When
from etl_platform.notifications.contacts_reader import read_contacts
from etl_platform.notifications.delivery_event import DeliveryEvent, EventKind
from etl_platform.notifications.message import DEFAULT, OF_AN_EVENT, Template, message_about
from etl_platform_tests.documents import ROOT
from etl_platform_tests.unit.notifications.scene import BEGAN, QUARANTINED, Memory, Scene

DATASETS = ["officer_detail", "training"]
GOOD = """\
contacts:
  - name: data-team
    url: mailtos://smtp.example?to=data@example.org&pass=${SMTP_PASSWORD}
  - name: albuquerque
    url: ${TEAMS}
    agencies: [nm_albuquerque]
    datasets: [officer_detail]
    events: [rejected, overdue]
    when: daily
    template: spanish
templates:
  spanish:
    title: "{outcome}: {file}"
    body: |
      {outcome} {file}
      errores: {errors}
      {id}
    outcomes: {rejected: rechazado}
"""


def read(tmp_path: Path, text: str, datasets: Collection[str] = DATASETS) -> list[Contact]:
    path = tmp_path / "contacts.yaml"
    path.write_text(text, "utf-8")
    return read_contacts(path, datasets)


def rejected(file: str = "Officer_Detail.csv", **fields: object) -> DeliveryEvent:
    made = {"agency": "nm_albuquerque", "dataset": "officer_detail", "details": {"errors": ["missing_column"]}}
    key = f"from_client/nm_albuquerque/{file}"
    return DeliveryEvent(id="a.rejected", kind=EventKind.REJECTED, at=BEGAN, key=key, **{**made, **fields})  # type: ignore[arg-type]


def test_a_contact_is_told_of_what_it_asked_for(tmp_path: Path) -> None:
    team, agency = read(tmp_path, GOOD)
    assert (team.when, agency.when) == (When.AT_ONCE, When.DAILY)
    others = [
        rejected(agency="nc_durham"),
        rejected(dataset="training"),
        DeliveryEvent(id="f", kind=EventKind.FAILED, at=BEGAN, agency="nm_albuquerque", dataset="officer_detail"),
    ]
    assert agency.wants(rejected())
    assert [agency.wants(event) for event in others] == [False] * 3
    assert all(team.wants(event) for event in [rejected(), *others])


def test_without_a_file_there_is_no_contact(tmp_path: Path) -> None:
    assert read_contacts(tmp_path / "contacts.yaml", DATASETS) == []


@pytest.mark.parametrize(
    ("before", "after", "line", "message"),
    [
        ("name: data-team", "name: topic", 2, "name must be a lower-case letter, .*; not contacts or topic"),
        ("name: data-team", "name: albuquerque", 4, "the name albuquerque is used twice"),
        ("    url: ${TEAMS}\n", "", 4, "missing: url"),
        ("url: ${TEAMS}", "url: data@example.org", 5, "url must be one of Apprise"),
        ("${TEAMS}", "slack://${my token}", 5, "url must be one of Apprise"),
        ("${TEAMS}", "slack://${token}/x", 5, "takes the name of an environment variable"),
        ("${SMTP_PASSWORD}", "${DATABASE_URL}", 3, "DATABASE_URL is a setting of the platform"),
        ("agencies: [nm_albuquerque]", "agency: nm_albuquerque", 6, "unknown field agency; did you mean agencies?"),
        ("agencies: [nm_albuquerque]", "agencies: []", 6, "agencies must be a list with at least one entry"),
        ("[officer_detail]", "[oficer_detail]", 7, "'oficer_detail' is unknown; did you mean officer_detail?"),
        ("[rejected, overdue]", "[refused]", 8, "'refused' is unknown; choose one of accepted_with_"),
        ("[rejected, overdue]", "[test]", 8, "'test' is unknown"),
        ("when: daily", "when: weekly", 9, "'weekly' is unknown; choose one of at_once, daily"),
        ("template: spanish", "template: french", 10, "'french' is unknown; choose one of spanish"),
        ('"{outcome}: {file}"', '"{value}"', 13, r"title has no \{value\}; it can have after, agency, "),
        ("      {id}\n", "", 14, r"body must have \{id\}"),
        ("{rejected: rechazado}", "{refused: x}", 18, "'refused' is unknown"),
        ("contacts:", "contact:", 1, "unknown field contact; did you mean contacts?"),
    ],
)
def test_an_error_has_its_line_and_says_what_would_be_right(
    tmp_path: Path, before: str, after: str, line: int, message: str
) -> None:
    assert before in GOOD
    with pytest.raises(ContractError, match=message) as raised:
        read(tmp_path, GOOD.replace(before, after, 1))
    assert raised.value.line == line


def test_an_error_about_a_url_does_not_quote_it(tmp_path: Path) -> None:
    with pytest.raises(ContractError) as raised:
        read(tmp_path, GOOD.replace("${TEAMS}", "secret-token"))
    assert "secret-token" not in str(raised.value)


def test_a_message_has_only_the_lines_that_say_something() -> None:
    message = message_about([rejected()], DEFAULT)
    assert message.title == "rejected: Officer_Detail.csv officer_detail nm_albuquerque"
    assert message.body.splitlines() == [
        "rejected Officer_Detail.csv",
        "agency: nm_albuquerque",
        "dataset: officer_detail",
        "errors: missing_column",
        "time: 2026-11-30 08:00 UTC",
        "id: a.rejected",
    ]


def test_a_message_about_several_events_counts_them_and_has_each_id(tmp_path: Path) -> None:
    template = read(tmp_path, GOOD)[1].template
    events = [rejected(), rejected(), DeliveryEvent(id="b.overdue", kind=EventKind.OVERDUE, at=BEGAN)]
    message = message_about(events, template)
    assert message.title == "3 events: 1 overdue, 2 rechazado"
    assert message.body.split("\n\n") == [
        "rechazado Officer_Detail.csv\nerrores: missing_column\na.rejected",
        "rechazado Officer_Detail.csv\nerrores: missing_column\na.rejected",
        "overdue\nb.overdue",
    ]


@given(st.text(st.characters(codec=None), min_size=1))
def test_the_name_of_a_file_adds_no_line_and_no_field(name: str) -> None:
    message = message_about([rejected(name)], Template("{file}", "{file}\n{id}", "{count}"))
    assert len(message.title.splitlines()) <= 1
    assert len(message.body.splitlines()) <= 2
    assert message_about([rejected("{agency}")], DEFAULT).title.startswith("rejected: {agency} ")


def test_a_digest_has_what_was_found_before_seven_o_clock() -> None:
    contact = Contact("x", "json://x", when=When.DAILY)
    at = datetime(2026, 11, 30, 6, 59, tzinfo=UTC)
    assert contact.due_before(at) == datetime(2026, 11, 29, 7, tzinfo=UTC)
    assert contact.due_before(at + timedelta(minutes=1)) == datetime(2026, 11, 30, 7, tzinfo=UTC)


def test_a_daily_channel_gets_the_events_of_a_day_in_one_message() -> None:
    class Digest(Memory):
        def due_before(self, now: datetime) -> datetime:
            return Contact("x", "json://x", when=When.DAILY).due_before(now)

    scene = Scene(Digest(batch_size=50)).begin()
    for _ in range(20):
        scene.report()
        scene.round(timedelta(minutes=30))
    assert scene.channel.calls == 0
    scene.now = datetime(2026, 12, 1, 7, tzinfo=UTC)
    scene.report()
    scene.round(timedelta(minutes=1))
    assert (scene.channel.calls, len(scene.channel.took)) == (1, 20)


def test_while_the_file_is_in_error_events_are_kept_for_those_who_want_them() -> None:
    topic, person = Memory("topic"), Memory("person", kinds=[EventKind.REJECTED])
    scene = Scene(topic, person).begin()
    broken = ContactsInError(ContractError("unknown field", path="contacts.yaml", line=3))
    scene.channels = (topic, broken)  # type: ignore[assignment]
    first = scene.report()
    scene.report(QUARANTINED)
    assert scene.round().failed == ["contacts"]
    assert "contacts.yaml:3" in scene.outbox.channel("contacts").error
    scene.channels = (topic, person)
    scene.report()
    scene.round()
    assert len(topic.ids) == len(set(topic.ids)) == 3
    assert (person.ids[0], len(person.ids)) == (f"{first.delivery_id}.rejected", 2)
    assert set(scene.outbox.channels) == {"topic", "person"}


def test_a_contact_that_is_gone_leaves_nothing_in_the_outbox() -> None:
    scene = Scene(Memory("a"), Memory("b", is_down=True)).begin()
    scene.report()
    scene.round()
    scene.channels = scene.channels[:1]
    scene.round()
    assert set(scene.outbox.channels) == {"a"}


def test_a_missing_secret_and_an_unknown_service_are_errors_without_the_url() -> None:
    def no_secret(name: str) -> str:
        raise SettingsError(f"the secret {name} is not set")

    with pytest.raises(SettingsError, match="TEAMS"):
        AppriseChannel(Contact("x", "${TEAMS}"), no_secret).check()
    with pytest.raises(Exception, match="Apprise does not know this url") as raised:
        AppriseChannel(Contact("x", "nosuch://${TEAMS}"), lambda _: "hidden").check()
    assert "hidden" not in str(raised.value)


def test_the_example_in_the_documents_is_a_file_of_contacts(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operate" / "contacts.md").read_text("utf-8")
    found = read(tmp_path, page.partition("```yaml\n")[2].partition("```")[0])
    assert [contact.name for contact in found] == ["data-team", "albuquerque", "on-call"]
    fields = {
        name for row in re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert fields == {item.name for item in dataclasses.fields(Contact)}
    values = page.partition("`title` and `body`: ")[2].partition("- `digest_title`")[0]
    assert set(re.findall(r"`(\w+)`", values)) == OF_AN_EVENT


def test_a_password_can_have_any_character_and_a_whole_url_can_be_a_secret() -> None:
    def url_of(url: str, secret: str) -> str:
        return AppriseChannel(Contact("x", url), lambda _: secret)._url()

    assert url_of("mailtos://a:${PASSWORD}@b.example", "p@/:?#$") == "mailtos://a:p%40%2F%3A%3F%23%24@b.example"
    assert url_of("${TEAMS}", "slack://A/B/C") == "slack://A/B/C"
