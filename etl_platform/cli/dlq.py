"""``etl-platform dlq``: list the messages of the dead-letter queues with their cause, and redrive them after a fix."""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command, add_group, positive_number
from etl_platform.cli.caller import add_note, identify_caller
from etl_platform.cli.dead_letter_view import DeadLetter, open_view
from etl_platform.deliveries.dead_letters.reasons import DeadLetterCause, may_be_redriven
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.table_formats import Table, add_formats
from etl_platform.queue_work.queues import FILE_EVENTS, QUEUES
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.aws.queue import Message

_REASON = "malformed, readable, failed, killed, unknown, archived, or a part of the reason in `dlq list`"
_REASON_WIDTH = 600


def add(commands: Commands) -> None:
    group = add_group(commands, "dlq", "List dead letters with their cause, and redrive them after a fix")
    listed = add_command(
        group, "list", "List the dead letters with their causes and reasons", "etl-platform dlq list --reason failed"
    )
    listed.set_defaults(command=_list)
    show = add_command(
        group,
        "show",
        "Show one dead letter: reason, body, and the outcome of its files",
        "etl-platform dlq show 0f5e7c1a-2b77-4e0e-9b0e-6a1f0d3c2b11",
    )
    show.add_argument("id", metavar="ID", help="a message id from `dlq list`")
    show.set_defaults(command=_show)
    redrive = add_command(
        group,
        "redrive",
        "Send dead letters back to their queue; malformed ones only if they are named",
        "etl-platform dlq redrive --reason killed --limit 10",
    )
    redrive.add_argument("ids", nargs="*", metavar="ID", help="only these messages")
    add_note(redrive)
    redrive.set_defaults(command=_redrive)
    for command in (listed, redrive):
        command.add_argument("--reason", metavar="R", help=f"only dead letters with this cause or reason: {_REASON}")
        command.add_argument("--limit", type=positive_number, metavar="N", help="at most this many [all]")
    for command in (listed, show, redrive):
        command.add_argument(
            "--queue",
            choices=[queue.name for queue in QUEUES],
            default=FILE_EVENTS.name,
            help=f"{', '.join(f'{queue.name} ({queue.messages})' for queue in QUEUES)} [%(default)s]",
        )
    add_formats(listed, "print one JSON document")
    for command in (show, redrive):
        command.add_argument("--json", action="store_true", help="print one JSON document")


@dataclass
class _RedriveResult:
    """Message ids sent back, the number of removed messages, and skipped messages by cause."""

    sent: list[str] = field(default_factory=list)
    removed: int = 0
    skipped: Counter[DeadLetterCause] = field(default_factory=Counter)


def _list(arguments: argparse.Namespace) -> int:
    found: list[DeadLetter] = []
    with open_view(arguments.queue) as view:
        for letter in view.dead_letters():
            if arguments.reason is None or letter.reason.matches(arguments.reason):
                found.append(letter)
            if len(found) == arguments.limit:
                break
    found.sort(key=_sent_at)
    if arguments.json:
        print(json.dumps([letter.to_json() for letter in found], indent=1, ensure_ascii=False))
    elif arguments.csv:
        _table(found).print_csv()
    elif found:
        print(_table(found))
    else:
        print("no dead letters" + (f" with the reason {arguments.reason!r}" if arguments.reason else ""))
    return GOOD


def _table(found: Sequence[DeadLetter]) -> Table:
    now = datetime.now(UTC)
    rows = [
        (
            letter.message.message_id,
            _age(letter.message, now),
            str(letter.reason.cause),
            _files(letter.keys),
            letter.reason.text,
        )
        for letter in found
    ]
    return Table(("id", "age", "cause", "file", "reason"), rows, last=_REASON_WIDTH)


def _show(arguments: argparse.Namespace) -> int:
    with open_view(arguments.queue) as view:
        letter = next((item for item in view.dead_letters() if item.message.message_id == arguments.id), None)
        recorded = view.objects(letter) if letter else []
    if letter is None:
        print(f"no dead letter has the id {arguments.id}; `etl-platform dlq list` prints the ids")
        return BAD
    document = letter.to_json() | {"files": [document for document, _ in recorded], "body": letter.message.body}
    if arguments.json:
        print(json.dumps(document, indent=1, ensure_ascii=False))
        return GOOD
    for name in ("id", "cause", "reason", "sent_at", "receive_count", "redriven_by"):
        print(f"{name}: {document[name]}")
    for _, text in recorded:
        print(text)
    print(letter.message.body)
    return GOOD


def _redrive(arguments: argparse.Namespace) -> int:
    result = _RedriveResult()
    not_found, began = set(arguments.ids), datetime.now(UTC)
    by = str(identify_caller(load_settings(), arguments.by))
    with open_view(arguments.queue) as view:
        for letter in view.dead_letters():
            if _sent_at(letter) > began:
                # It was redriven by this command and has failed again.
                continue
            if not may_be_redriven(letter.message.message_id, letter.reason, arguments.ids, arguments.reason):
                result.skipped[letter.reason.cause] += 1
                continue
            if letter.reason.cause is DeadLetterCause.ARCHIVED:
                # Redriving would create another message, which would be archived again.
                view.scan.remove(letter.message)
                result.removed += 1
            else:
                view.scan.send_back(letter.message, view.queue, by)
                view.clear_failures(letter)
                result.sent.append(letter.message.message_id)
            not_found.discard(letter.message.message_id)
            if len(result.sent) + result.removed == arguments.limit or (arguments.ids and not not_found):
                break
    if arguments.json:
        left = {str(cause): messages for cause, messages in result.skipped.items()}
        document = {"sent": result.sent, "not_found": sorted(not_found), "removed": result.removed, "left": left}
        print(json.dumps(document))
    else:
        _print_redriven(result, arguments)
        for message_id in sorted(not_found):
            print(f"no dead letter has the id {message_id}; `etl-platform dlq list` prints the ids")
    return BAD if not_found else GOOD


def _print_redriven(result: _RedriveResult, arguments: argparse.Namespace) -> None:
    removed = f", {result.removed:,} removed because they are archived" if result.removed else ""
    print(f"{len(result.sent):,} sent back to the queue{removed}")
    malformed = result.skipped[DeadLetterCause.MALFORMED]
    if malformed and not arguments.ids and arguments.reason is None:
        print(f"{malformed:,} malformed not sent: they would fail again; give their ids to send them anyway")


def _sent_at(letter: DeadLetter) -> datetime:
    return letter.message.sent_at or datetime.min.replace(tzinfo=UTC)


def _age(message: "Message", now: datetime) -> str:
    if message.sent_at is None:
        return ""
    minutes = int((now - message.sent_at).total_seconds() // 60)
    if minutes < 120:
        return f"{minutes}m"
    return f"{minutes // 60}h" if minutes < 48 * 60 else f"{minutes // 1_440}d"


def _files(keys: Sequence[str]) -> str:
    return keys[0] + (f" +{len(keys) - 1}" if len(keys) > 1 else "") if keys else ""
