"""What happens while harm is done: files that arrive, partitions that are read again, commands.

A scenario is a sequence of steps; a new one is an entry in ``SCENARIOS``.
"""

from dataclasses import dataclass
from typing import Literal

from etl_platform.local.application_database import Values
from etl_platform.local.sample_emails import sample_emails
from etl_platform_tests.integration.deliveries import Row, as_csv, officers


@dataclass(frozen=True)
class Dropped:
    """One version of a source object, put once; its notification is what every trial receives.

    ``version`` tells two puts of the same bytes apart.
    """

    agency: str
    name: str
    content: bytes
    version: int = 1

    @property
    def key(self) -> str:
        return f"from_client/{self.agency}/{self.name}"


@dataclass(frozen=True)
class Arrive:
    """Notifications reach the queue, and the intake works until the queue is empty.

    ``bodies`` are messages that no object stands behind.
    """

    files: tuple[Dropped, ...]
    bodies: tuple[str, ...] = ()


@dataclass(frozen=True)
class FailOnce:
    """Files arrive, and S3 refuses the first copy; the delivery comes again and is done."""

    files: tuple[Dropped, ...]


@dataclass(frozen=True)
class Materialize:
    """A person reads an agency's partitions again; if that dies, once more."""

    partition: str


@dataclass(frozen=True)
class Command:
    """``etl-platform`` with these arguments, in which ``{bucket}`` stands for the bench's; if that dies, once more."""

    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Mail:
    """Messages reach the email queue, and drains follow one another until it is empty."""

    bodies: tuple[str, ...]


Step = Arrive | FailOnce | Materialize | Command | Mail


@dataclass(frozen=True)
class Scenario:
    """``files`` stand in the order in which they are put; ``target`` names the processes that are harmed.

    ``attachments`` are rows of an application database, whose one agency has the id 10 and the slug of the files'.
    ``erases``: the sources too, so each play puts them again, and its versions have other ids.
    """

    name: str
    files: tuple[Dropped, ...]
    steps: tuple[Step, ...]
    target: Literal["run", "tick"] = "run"
    attachments: tuple[Values, ...] = ()
    erases: bool = False


def _roster(prefix: str, count: int, bad: int) -> bytes:
    return as_csv(officers(prefix, count, bad=bad))


def _without(rows: list[Row], column: str) -> bytes:
    return as_csv([{name: value for name, value in row.items() if name != column} for row in rows])


def _accepted() -> Scenario:
    file = Dropped("aa_accepted", "Officer_Detail.csv", _roster("A", 8, 3))
    return Scenario("accepted", (file,), (Arrive((file,)),))


def _rejected() -> Scenario:
    file = Dropped("bb_rejected", "Officer_Detail.csv", _without(officers("R", 6), "hire_date"))
    return Scenario("rejected", (file,), (Arrive((file,)),))


def _overwrite() -> Scenario:
    first = Dropped("cc_overwrite", "Officer_Detail.csv", _roster("O", 8, 3))
    second = Dropped("cc_overwrite", "Officer_Detail.csv", _roster("P", 11, 2))
    return Scenario("overwrite", (first, second), (Arrive((first,)), Arrive((second,))))


def _late() -> Scenario:
    """The newer version's event comes first: the older one must not replace it."""
    old = Dropped("dd_late", "Officer_Detail.csv", _roster("L", 5, 1))
    new = Dropped("dd_late", "Officer_Detail.csv", _roster("N", 9, 4))
    return Scenario("late event", (old, new), (Arrive((new,)), Arrive((old,))))


def _batch() -> Scenario:
    files = (
        Dropped("ee_batch", "Officer_Detail.csv", _roster("B", 7, 2)),
        Dropped("ff_batch", "Officer_Detail.csv", _roster("C", 4, 0)),
        Dropped("ee_batch", "Training.csv", b""),
    )
    return Scenario("batch", files, (Arrive(files),))


def _retried() -> Scenario:
    file = Dropped("kk_retried", "Officer_Detail.csv", _roster("K", 5, 1))
    return Scenario("retried", (file,), (FailOnce((file,)),))


def _read_again() -> Scenario:
    file = Dropped("gg_again", "Officer_Detail.csv", _roster("G", 6, 2))
    return Scenario("read again", (file,), (Arrive((file,)), Materialize("gg_again")))


def _replay() -> Scenario:
    """Two of three bad rows are mended; the file with the mended rows lies in the bucket and announces nothing."""
    file = Dropped("ii_replay", "Officer_Detail.csv", _roster("M", 7, 3))
    mended = Dropped("ii_replay", "mended.csv", b"_line,email\n2,a@police.example\n4,b@police.example\n")
    command = ("replay", "--agency", "ii_replay", "--dataset", "officer_detail", "--by", "jane")
    replay = Command((*command, "--corrections", f"s3://{{bucket}}/{mended.key}"))
    return Scenario("replay", (file, mended), (Arrive((file,)), replay))


def _erase() -> Scenario:
    """One of two files of an agency is erased, with its two versions; the other one stays."""
    versions = [Dropped("ll_erase", "Officer_Detail.csv", _roster("E", 5, 2), version) for version in (1, 2)]
    other = Dropped("ll_erase", "Officers_reserve.csv", _roster("F", 4, 1))
    command = ("erase", "--agency", "ll_erase", "--key", versions[0].key, "--by", "jane", "--execute")
    files = (*versions, other)
    return Scenario("erase", files, (*(Arrive((file,)) for file in files), Command(command)), erases=True)


def _attachments() -> Scenario:
    """Two files of one name, from and to the bench's bucket. Nobody sends them, so nothing is announced."""
    files = tuple(Dropped("jj_attachments", f"{number}/Report.pdf", b"%d" % number) for number in (1, 2))
    rows = tuple((number, 10, file.key, "Report.pdf", None, 1) for number, file in enumerate(files, start=1))
    buckets = ("--source-bucket", "{bucket}", "--destination-bucket", "{bucket}")
    copy = Command(("run", "get_s3_files_job", "--", "--agency-id", "10", *buckets))
    return Scenario("attachments", files, (copy,), attachments=rows)


def _tick() -> Scenario:
    files = (
        Dropped("hh_tick", "Officer_Detail.csv", _roster("T", 5, 1)),
        Dropped("hh_tick", "Vehicle_Fleet.csv", b"plate\n1\n"),
    )
    return Scenario("tick", files, (Arrive(files, bodies=("not JSON",)),), target="tick")


def _email() -> Scenario:
    """Two batches for one worker, so that calls come in one order; poison stands in the second."""
    bodies = sample_emails(3, poison=True)
    return Scenario("email", (), (Mail((*bodies[:2], bodies[3], bodies[2])),))


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        _accepted(),
        _rejected(),
        _overwrite(),
        _late(),
        _batch(),
        _retried(),
        _read_again(),
        _replay(),
        _erase(),
        _attachments(),
        _tick(),
        _email(),
    )
}
