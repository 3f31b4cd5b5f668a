"""How many messages a provider takes in how long: sliding windows, and silence after too many."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence


class SlidingWindow:
    """At most ``count`` messages in any ``seconds``, for each of several such limits; ``now`` gives epoch seconds.

    ``mute_s``: after one message too many nothing is taken for so long.
    """

    def __init__(self, limits: Sequence[tuple[int, float]], now: Callable[[], float], *, mute_s: float = 0.0) -> None:
        self._limits = limits
        self._now = now
        self._mute_s = mute_s
        self._taken: deque[float] = deque()
        self._muted_until = 0.0

    def mute(self, seconds: float) -> None:
        """Take nothing for so long from now; 0 ends a silence."""
        self._muted_until = self._now() + seconds

    def takes(self) -> bool:
        """Count a message, or say no: then it counts for nothing, but may bring silence."""
        now = self._now()
        if now < self._muted_until:
            return False
        longest = max(seconds for _, seconds in self._limits)
        while self._taken and self._taken[0] <= now - longest:
            self._taken.popleft()
        if any(sum(at > now - seconds for at in self._taken) >= count for count, seconds in self._limits):
            self._muted_until = now + self._mute_s
            return False
        self._taken.append(now)
        return True
