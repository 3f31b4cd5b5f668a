"""Faults: what is found wrong while something is read, so that whoever wrote it is told all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from leadtrail.domain.errors import PolicyInvalidError

T = TypeVar("T")
UNKNOWN = "没有这个字段"
NOT_A_MAPPING = "需要一个对象"
SHOWN = 40  # characters of a key that nobody knows


class Faults:
    """What was found wrong so far; reading goes on with something instead."""

    def __init__(self) -> None:
        self.found: list[PolicyInvalidError] = []

    def of(self, instead: T, read: Callable[..., T], *given: object) -> T:
        """Return what ``read`` makes of ``given``, or ``instead`` where it refuses."""
        try:
            return read(*given)
        except PolicyInvalidError as fault:
            self.found.append(fault)
            return instead

    def unknown(self, path: str, keys: Iterable[object], known: tuple[str, ...]) -> None:
        """Refuse every key that is none of ``known``."""
        strangers = sorted(str(key)[:SHOWN] for key in keys if key not in known)
        self.found += [PolicyInvalidError(f"{path}{key}", UNKNOWN) for key in strangers]

    def refuse(self) -> None:
        """Raise what was found first, with all of it as the fact ``errors``."""
        if self.found:
            listed = [{"field": fault.facts["field"], "rule": fault.facts["rule"]} for fault in self.found]
            raise PolicyInvalidError(str(listed[0]["field"]), str(listed[0]["rule"]), errors=listed)
