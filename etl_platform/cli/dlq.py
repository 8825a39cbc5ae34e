"""``etl-platform dlq …``: why messages died, and the way back into the queue after a fix."""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import BAD, GOOD, Commands, add_command, add_group, count
from etl_platform.cli.dead_letter_view import FILES, QUEUES, DeadLetter, open_view
from etl_platform.deliveries.dead_letters.cause_of_death import Cause, may_be_redriven

if TYPE_CHECKING:
    from etl_platform.aws.queue import Message

_REASON = "malformed, readable, failed, killed, unknown, archived, or a part of what `dlq list` says"

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
        "Send dead letters back to their queue; what is malformed goes only if named",
        "etl-platform dlq redrive --reason killed --limit 10",
    )
    redrive.add_argument("ids", nargs="*", metavar="ID", help="only these messages")
    redrive.set_defaults(command=_redrive)
    for command in (listed, redrive):
        command.add_argument("--reason", metavar="R", help=f"only these: {_REASON}")
        command.add_argument("--limit", type=count, metavar="N", help="this many at most [all]")
    for command in (listed, show, redrive):
        command.add_argument(
            "--queue",
            choices=QUEUES,
            default=FILES,
            help="whose dead letters: those of the files' events or the emails",
        )
        command.add_argument("--json", action="store_true", help="print one JSON document")


def _list(arguments: argparse.Namespace) -> int:
    from etl_platform.cli.text_tables import table

    found: list[DeadLetter] = []
    with open_view(arguments.queue) as view:
        for letter in view.letters():
            if arguments.reason is None or letter.death.matches(arguments.reason):
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
    with open_view(arguments.queue) as view:
        letter = next((item for item in view.letters() if item.message.message_id == arguments.id), None)
        recorded = view.objects(letter) if letter else []
    if letter is None:
        print(f"no dead letter has the id {arguments.id}; `etl-platform dlq list` prints those there are")
        return BAD
    document = letter.to_json() | {"files": [known for known, _ in recorded], "body": letter.message.body}
    if arguments.json:
        print(json.dumps(document, indent=1, ensure_ascii=False))
        return GOOD
    for name in ("id", "cause", "reason", "sent_at", "receive_count"):
        print(f"{name}: {document[name]}")
    for _, said in recorded:
        print(said)
    print(letter.message.body)
    return GOOD


def _redrive(arguments: argparse.Namespace) -> int:
    sent: list[DeadLetter] = []
    done = 0
    left: Counter[Cause] = Counter()
    wanted, began = set(arguments.ids), datetime.now(UTC)
    with open_view(arguments.queue) as view:
        for letter in view.letters():
            if _sent_at(letter) > began:
                # One that was just sent back, and is dead again.
                continue
            if not may_be_redriven(letter.message.message_id, letter.death, arguments.ids, arguments.reason):
                left[letter.death.cause] += 1
                continue
            if letter.death.cause is Cause.ARCHIVED:
                # Sent back it would be another message, and archived once more.
                view.look.remove(letter.message)
                done += 1
            else:
                view.look.send_back(letter.message, view.queue)
                sent.append(letter)
            wanted.discard(letter.message.message_id)
            if len(sent) + done == arguments.limit or (arguments.ids and not wanted):
                break
    if arguments.json:
        document = {"sent": [letter.message.message_id for letter in sent], "not_found": sorted(wanted)}
        print(json.dumps(document | {"removed": done, "left": {str(cause): times for cause, times in left.items()}}))
    else:
        removed = f", {done:,} removed that were archived" if done else ""
        print(f"{len(sent):,} sent back to the queue{removed}")
        if left[Cause.MALFORMED] and not arguments.ids and arguments.reason is None:
            print(
                f"{left[Cause.MALFORMED]:,} malformed left: they would only come again; name them to send them anyway"
            )
        for identity in sorted(wanted):
            print(f"no dead letter has the id {identity}")
    return BAD if wanted else GOOD


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
