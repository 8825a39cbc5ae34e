"""Which source keys the listings alone cannot vouch for: never one too few, whatever the order of work."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from etl_platform import object_keys
from etl_platform.deliveries.reconcile.discrepancies import Held, PartitionListing, SourceVersion, doubtful

KEY = "from_client/agency_a/Things.csv"
SILVER = object_keys.silver_key("things", "agency_a", KEY)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_ACCEPTED, _REJECTED, _DIES = "accepted", "rejected", "dies after silver"


def version(number: int) -> SourceVersion:
    return SourceVersion("b", KEY, f"v{number}", "e", 1, BEGIN, "agency_a", "things", f"{number:020x}")


@given(
    fates=st.lists(st.sampled_from([_ACCEPTED, _REJECTED, _DIES]), min_size=1, max_size=5),
    data=st.data(),
)
def test_a_key_that_is_not_doubted_has_the_newest_accepted_version_in_silver(
    fates: list[str], data: st.DataObject
) -> None:
    """Work on the versions overlaps in any order, with no swap to protect silver, by clocks of whole seconds; then
    somebody may put back an older object."""
    steps = data.draw(st.permutations([number for number in range(len(fates)) for _ in ("silver", "record")]))
    clock = _Clock(data.draw(st.lists(st.sampled_from([0.1, 0.6, 2.0]), min_size=len(steps) + 1)))
    held: tuple[int, datetime] | None = None
    final: dict[str, datetime] = {}
    begun: set[int] = set()
    for number in steps:
        if number in begun and fates[number] != _DIES:
            final[f"{number:020x}"] = clock.tick()
        elif number not in begun and fates[number] != _REJECTED:
            held = (number, clock.tick())
        begun.add(number)
    if held and data.draw(st.booleans(), label="an older object is put back"):
        clock.now += timedelta(seconds=1)
        held = (data.draw(st.integers(-1, held[0])), clock.tick())

    listing = PartitionListing(
        "things",
        "agency_a",
        final,
        bronze={identity: (f"bronze/{identity}", BEGIN) for identity in final},
        silver={SILVER: Held("e", held[1])} if held else {},
    )
    versions = [version(number) for number in reversed(range(len(fates)))]

    if not doubtful(versions, listing) and final:
        accepted = [number for number, fate in enumerate(fates) if fate == _ACCEPTED]
        assert (held[0] if held else None) == (max(accepted) if accepted else None)


def test_a_history_in_order_is_vouched_for_by_its_listing_alone() -> None:
    at = [BEGIN + timedelta(minutes=minutes) for minutes in range(6)]
    listing = PartitionListing(
        "things",
        "agency_a",
        {f"{number:020x}": at[2 * number + 1] for number in range(3)},
        bronze={f"{number:020x}": (f"bronze/{number}", BEGIN) for number in range(3)},
        silver={SILVER: Held("e", at[4])},
    )
    assert doubtful([version(2), version(1), version(0)], listing) == []


class _Clock:
    """As a store tells it: whole seconds."""

    def __init__(self, gaps: list[float]) -> None:
        self.now, self._gaps = BEGIN, iter(gaps)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=next(self._gaps))
        return self.now.replace(microsecond=0)
