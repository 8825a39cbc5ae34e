"""``etl-platform dlq …``: why messages died, and the way back into the queue after a fix."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etl_platform.commands.parsing import BAD, GOOD, Commands, add_command, add_group, count
from etl_platform.core.dead_letters import Cause, Death, explain, goes_back
from etl_platform.core.events import ObjectCreated, ParsedMessage, parse_message
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.adapters.sqs import Message
    from etl_platform.dead_letters import Look
    from etl_platform.pipelines.failed_runs import FailedRuns
    from etl_platform.pipelines.resources import Platform

_REASON = "malformed, readable, failed, killed, unknown, or a part of what `dlq list` says"

_REASON_WIDTH = 300


def add(commands: Commands) -> None:
    group = add_group(commands, "dlq", "See why messages died, and send them back after a fix")
    listed = add_command(
        group, "list", "List the dead letters with the reason of each", "etl-platform dlq list --reason failed"
    )
    listed.set_defaults(command=_list)
    show = add_command(
        group,
        "show",
        "Show one dead letter: reason, body, and what is recorded of its files",
        "etl-platform dlq show 0f5e7c1a-2b77-4e0e-9b0e-6a1f0d3c2b11",
    )
    show.add_argument("id", metavar="ID", help="the message's id, as `dlq list` prints it")
    show.set_defaults(command=_show)
    redrive = add_command(
        group,
        "redrive",
        "Send dead letters back to the file events queue; what is malformed goes only if named",
        "etl-platform dlq redrive --reason killed --limit 10",
    )
    redrive.add_argument("ids", nargs="*", metavar="ID", help="only these messages")
    redrive.set_defaults(command=_redrive)
    for command in (listed, redrive):
        command.add_argument("--reason", metavar="R", help=f"only these: {_REASON}")
        command.add_argument("--limit", type=count, metavar="N", help="this many at most [all]")
    for command in (listed, show, redrive):
        command.add_argument("--json", action="store_true", help="print one JSON document")


@dataclass(frozen=True)
class _Letter:
    message: "Message"
    parsed: ParsedMessage
    death: Death

    @property
    def keys(self) -> list[str]:
        return [event.key for event in self.parsed.created]

    def to_json(self) -> dict[str, Any]:
        sent = self.message.sent_at
        return {
            "id": self.message.message_id,
            "cause": str(self.death.cause),
            "reason": self.death.text,
            "sent_at": sent.isoformat() if sent else None,
            "receive_count": self.message.receive_count,
            "keys": self.keys,
        }


@dataclass(frozen=True)
class _Desk:
    """An opened dead-letter queue, and the runs that tell of its messages if there is an instance to ask."""

    platform: "Platform"
    look: "Look"
    runs: "FailedRuns | None"

    def letters(self) -> Iterator[_Letter]:
        for message in self.look.messages():
            parsed = parse_message(message.body)
            asked = self.runs is not None and not parsed.malformed and not message.reason
            last_run = self.runs.last_of(message.message_id) if self.runs is not None and asked else None
            death = explain(message.reason, parsed, last_run, history=self.runs is not None)
            yield _Letter(message, parsed, death)


@contextmanager
def _desk() -> Iterator[_Desk]:
    from etl_platform.console import ProgressLine
    from etl_platform.dead_letters import look_through
    from etl_platform.pipelines.failed_runs import FailedRuns
    from etl_platform.pipelines.instance import open_instance
    from etl_platform.pipelines.resources import Platform

    settings = load_settings()
    platform = Platform(settings)
    progress = ProgressLine()
    with ExitStack() as stack:
        stack.callback(progress.clear)
        runs = FailedRuns(stack.enter_context(open_instance(settings))) if settings.dagster_home else None
        yield _Desk(platform, stack.enter_context(look_through(platform.dead_letters, progress)), runs)


def _list(arguments: argparse.Namespace) -> int:
    from etl_platform.console import table

    found: list[_Letter] = []
    with _desk() as desk:
        for letter in desk.letters():
            if arguments.reason is None or letter.death.is_meant_by(arguments.reason):
                found.append(letter)
            if len(found) == arguments.limit:
                break
    found.sort(key=_sent_at)
    if arguments.json:
        print(json.dumps([letter.to_json() for letter in found], indent=1, ensure_ascii=False))
    elif found:
        now = datetime.now(UTC)
        rows = [
            (
                letter.message.message_id,
                _age(letter.message, now),
                str(letter.death.cause),
                _files(letter.keys),
                letter.death.text,
            )
            for letter in found
        ]
        print(table(("id", "age", "cause", "file", "reason"), rows, last=_REASON_WIDTH))
    else:
        print("no dead letters" + (f" of the reason {arguments.reason!r}" if arguments.reason else ""))
    return GOOD


def _show(arguments: argparse.Namespace) -> int:
    with _desk() as desk:
        letter = next((item for item in desk.letters() if item.message.message_id == arguments.id), None)
        recorded = [_recorded(desk.platform, event) for event in letter.parsed.created] if letter else []
    if letter is None:
        print(f"no dead letter has the id {arguments.id}; `etl-platform dlq list` prints those there are")
        return BAD
    document = letter.to_json() | {"files": recorded, "body": letter.message.body}
    if arguments.json:
        print(json.dumps(document, indent=1, ensure_ascii=False))
        return GOOD
    for name in ("id", "cause", "reason", "sent_at", "receive_count"):
        print(f"{name}: {document[name]}")
    for file in recorded:
        known = f"{file['outcome']} at {file['ended_at']}" if file["outcome"] else "no record: it was never finished"
        print(f"s3://{file['bucket']}/{file['key']}\n  {file['delivery_id']}: {known}")
    print(letter.message.body)
    return GOOD


def _recorded(platform: "Platform", event: ObjectCreated) -> dict[str, Any]:
    """What the ledger knows of one announced object."""
    from etl_platform.core.deliveries import delivery_id
    from etl_platform.core.routing import route
    from etl_platform.ledger import Ledger

    where = route(event.key, event.size_bytes, platform.contracts, platform.settings.source_prefix)
    identity = delivery_id(event.bucket, event.key, event.version_id or event.sequencer or event.etag)
    record = None
    if where.contract is not None and where.agency is not None:
        record = Ledger(platform.store, platform.bucket).find(where.contract.dataset, where.agency, identity)
    return {
        "bucket": event.bucket,
        "key": event.key,
        "delivery_id": identity,
        "outcome": record["outcome"] if record else None,
        "ended_at": record["attempt"]["ended_at"] if record else None,
    }


def _redrive(arguments: argparse.Namespace) -> int:
    sent: list[_Letter] = []
    left: Counter[Cause] = Counter()
    wanted, began = set(arguments.ids), datetime.now(UTC)
    with _desk() as desk:
        for letter in desk.letters():
            if _sent_at(letter) > began:
                # One that was just sent back, and is dead again.
                continue
            if not goes_back(letter.message.message_id, letter.death, arguments.ids, arguments.reason):
                left[letter.death.cause] += 1
                continue
            desk.look.send_back(letter.message, desk.platform.queue)
            sent.append(letter)
            wanted.discard(letter.message.message_id)
            if len(sent) == arguments.limit or (arguments.ids and not wanted):
                break
    if arguments.json:
        document = {"sent": [letter.message.message_id for letter in sent], "not_found": sorted(wanted)}
        print(json.dumps(document | {"left": {str(cause): times for cause, times in left.items()}}))
    else:
        print(f"{len(sent):,} sent back to the queue")
        if left[Cause.MALFORMED] and not arguments.ids and arguments.reason is None:
            print(
                f"{left[Cause.MALFORMED]:,} malformed left: they would only come again; name them to send them anyway"
            )
        for identity in sorted(wanted):
            print(f"no dead letter has the id {identity}")
    return BAD if wanted else GOOD


def _sent_at(letter: _Letter) -> datetime:
    return letter.message.sent_at or datetime.min.replace(tzinfo=UTC)


def _age(message: "Message", now: datetime) -> str:
    if message.sent_at is None:
        return ""
    minutes = int((now - message.sent_at).total_seconds() // 60)
    if minutes < 120:
        return f"{minutes}m"
    return f"{minutes // 60}h" if minutes < 48 * 60 else f"{minutes // 1_440}d"


def _files(keys: list[str]) -> str:
    return keys[0] + (f" +{len(keys) - 1}" if len(keys) > 1 else "") if keys else ""
