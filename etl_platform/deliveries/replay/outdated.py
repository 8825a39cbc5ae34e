"""Which files of a partition were read under another contract than today's, from their reports alone. No store."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.report import Report


@dataclass(frozen=True)
class OutdatedFiles:
    """The files of a partition that another contract, or another overlay of the agency, has read.

    Attributes:
        number: how many source keys.
        accepted: the deliveries of these keys that were accepted; silver holds them, or held them once.
    """

    number: int = 0
    accepted: frozenset[str] = frozenset()


class Attempts:
    """All attempts at the deliveries of a partition."""

    def __init__(self, reports: Iterable[Report]) -> None:
        self._by_delivery: Mapping[str, list[Report]] = defaultdict(list)
        for report in sorted(reports, key=lambda one: one.attempt.ended_at):
            self._by_delivery[report.delivery_id].append(report)

    def is_outdated(self, newest_first: Sequence[Report], contract: str) -> bool:
        """Whether a file must be read again.

        Args:
            newest_first: the arrivals of one source key.
            contract: the hash of today's contract of the agency.
        """
        for arrival in newest_first:
            if contract not in self._contracts_in_effect(arrival):
                return True
            if self.was_accepted(arrival):
                return False
        return False

    def was_accepted(self, arrival: Report) -> bool:
        return any(one.outcome is Outcome.ACCEPTED for one in self._by_delivery[arrival.delivery_id])

    def _contracts_in_effect(self, arrival: Report) -> set[str]:
        """Hashes of the contract that made what silver holds, and of those that have refused the delivery since."""
        found: set[str] = set()
        for one in self._by_delivery[arrival.delivery_id]:
            if one.outcome is Outcome.ACCEPTED:
                found.clear()
            if one.contract is not None:
                found.add(one.contract.sha256)
        return found


def outdated_by_key(
    by_key: Sequence[Sequence[Report]], attempts: Attempts, contract_of: Callable[[Report], str]
) -> list[Sequence[Report]]:
    """Of the arrivals by source key, newest first, those that must be read again.

    Args:
        contract_of: the hash of today's contract for an arrival.
    """
    return [arrivals for arrivals in by_key if attempts.is_outdated(arrivals, contract_of(arrivals[0]))]
