"""Which source keys must be inspected, because the listings do not prove what silver holds."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from etl_platform import object_keys
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.reconcile.discrepancies import ListedVersion, PartitionListing, keys_to_inspect, unreported

KEY = "from_client/agency_a/Things.csv"
SILVER = object_keys.silver_key("things", "agency_a", KEY)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_ACCEPTED, _REJECTED, _DIES = "accepted", "rejected", "dies after silver"


def version(number: int) -> ListedVersion:
    source = ObjectVersion("b", KEY, f"v{number}", "e", 1, None, BEGIN)
    return ListedVersion(source, "agency_a", "things", f"{number:020x}")


@given(
    fates=st.lists(st.sampled_from([_ACCEPTED, _REJECTED, _DIES]), min_size=1, max_size=5),
    data=st.data(),
)
def test_a_key_that_is_not_inspected_has_the_newest_accepted_version_in_silver(
    fates: list[str], data: st.DataObject
) -> None:
    """The versions are processed at once, in any order and without a compare-and-swap, by a clock of whole seconds.

    Afterwards an older silver object may be restored by hand.
    """
    steps = data.draw(st.permutations([number for number in range(len(fates)) for _ in ("silver", "report")]))
    clock = _Clock(data.draw(st.lists(st.sampled_from([0.1, 0.6, 2.0]), min_size=len(steps) + 1)))
    silver: tuple[int, datetime] | None = None
    reported: dict[str, datetime] = {}
    begun: set[int] = set()
    for number in steps:
        if number in begun and fates[number] != _DIES:
            reported[f"{number:020x}"] = clock.tick()
        elif number not in begun and fates[number] != _REJECTED:
            silver = (number, clock.tick())
        begun.add(number)
    if silver and data.draw(st.booleans(), label="an older object is restored"):
        clock.now += timedelta(seconds=1)
        silver = (data.draw(st.integers(-1, silver[0])), clock.tick())

    listing = PartitionListing(
        "things",
        "agency_a",
        reported,
        bronze={delivery_id: (f"bronze/{delivery_id}", BEGIN) for delivery_id in reported},
        silver={SILVER: silver[1]} if silver else {},
    )
    versions = [version(number) for number in reversed(range(len(fates)))]

    if not keys_to_inspect(versions, listing) and reported:
        accepted = [number for number, fate in enumerate(fates) if fate == _ACCEPTED]
        assert (silver[0] if silver else None) == (max(accepted) if accepted else None)


def test_versions_that_were_processed_in_order_need_no_inspection() -> None:
    at = [BEGIN + timedelta(minutes=minutes) for minutes in range(6)]
    listing = PartitionListing(
        "things",
        "agency_a",
        {f"{number:020x}": at[2 * number + 1] for number in range(3)},
        bronze={f"{number:020x}": (f"bronze/{number}", BEGIN) for number in range(3)},
        silver={SILVER: at[4]},
    )
    assert keys_to_inspect([version(2), version(1), version(0)], listing) == []


class _Clock:
    """The clock of an object store: whole seconds."""

    def __init__(self, gaps: list[float]) -> None:
        self.now, self._gaps = BEGIN, iter(gaps)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=next(self._gaps))
        return self.now.replace(microsecond=0)


def test_a_file_that_was_ignored_is_missing_however_new_it_is() -> None:
    """It is no longer in the queue, so nothing will process it."""
    ignored, new = version(1), version(2)
    before = BEGIN - timedelta(seconds=1)
    assert unreported([ignored, new], set(), before, {ignored.delivery_id}) == ([ignored], [new])
