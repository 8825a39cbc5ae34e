"""How often one token, or one address, may ask. Times are arguments."""

from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address

_MOST_KEYS = 10_000
"""Beyond it the key that has been quiet for longest is forgotten."""


class RateLimit:
    """At most ``most`` uses of a key within ``seconds``."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._uses: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until the key may be used again; 0 if it may be used now. Counts nothing."""
        uses = self._recent(key, now)
        return uses[0] + self._seconds - now if len(uses) >= self._most else 0.0

    def use(self, key: str, now: float) -> float:
        """Count a use if there is one left; seconds to wait, or 0."""
        if wait_s := self.wait_s(key, now):
            return wait_s
        self._uses.setdefault(key, deque()).append(now)
        self._uses.move_to_end(key)
        if len(self._uses) > _MOST_KEYS:
            self._uses.popitem(last=False)
        return 0.0

    def _recent(self, key: str, now: float) -> deque[float]:
        uses = self._uses.get(key, deque())
        while uses and uses[0] <= now - self._seconds:
            uses.popleft()
        return uses


def client_address(peer: str, forwarded: str, proxies: int) -> str:
    """The address that a limit is for.

    Args:
        forwarded: the header X-Forwarded-For, to which each proxy adds the address it was called from.
        proxies: how many of ours stand in front. What stands left of their entries may be made up.
    """
    entries = [entry.strip() for entry in forwarded.split(",") if entry.strip()]
    found = entries[-proxies] if 0 < proxies <= len(entries) else peer
    try:
        address = ip_address(found.strip("[]"))
    except ValueError:
        return peer
    if isinstance(address, IPv6Address):
        # One client has a whole /64 to choose from.
        return address.exploded[:19]
    return str(address)
