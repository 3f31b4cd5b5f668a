"""Pacing: how much each kind of channel takes, by message and by byte, and when it takes the next.

A second is added to each window for the difference of our clocks and theirs. Sources: CONTRACTS sections 2 and 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from leadtrail.domain.company import HOURLY, Channel, Rep

_MINUTE: Final = timedelta(seconds=61)
_HOUR: Final = timedelta(seconds=3601)


@dataclass(frozen=True, slots=True)
class Window:
    """No more than ``most`` messages in any ``span``, once there were ``beyond`` within the hour."""

    most: int
    span: timedelta
    beyond: int = 0


_PER_CHANNEL: Final[Mapping[str, tuple[Window, ...]]] = {
    "wecom": (Window(20, _MINUTE),),
    "dingtalk": (Window(20, _MINUTE),),
    "feishu": (Window(5, timedelta(seconds=1.2)), Window(100, _MINUTE)),
    "wecom-app": (Window(200, _MINUTE),),
    "mail": (Window(60, _MINUTE),),
}
_PER_MEMBER: Final = Window(30, _MINUTE)
_KEPT: Final = 6  # of a person's hour, for one list each ten minutes: nobody is left without a word for longer
_TEN_MINUTES: Final = timedelta(minutes=10)
# DingTalk and Feishu count the whole body: some of it is not text, and line breaks take more than a byte there.
_BYTES: Final[Mapping[str, int]] = {
    "wecom": 4096,
    "dingtalk": 16_000,
    "feishu": 16_000,
    "wecom-app": 2048,
    "mail": 100_000,
}


def of_channel(channel: Channel) -> tuple[Window, ...]:
    """Return what a channel takes in all."""
    return _PER_CHANNEL[channel.bot]


def of_person(rep: Rep) -> tuple[Window, ...]:
    """Return how many messages one person gets over one personal channel: their own hour, and the provider's minute.

    The last of the hour are spread over it, so that what has to wait comes as a list every ten minutes.
    """
    hourly = HOURLY if rep.hourly is None else rep.hourly
    spread = (Window(1, _TEN_MINUTES, beyond=hourly - _KEPT),) if hourly > _KEPT else ()
    return Window(hourly, _HOUR), _PER_MEMBER, *spread


def limit_bytes(channel: Channel) -> int:
    """Return how many bytes of UTF-8 a message's text may have."""
    return _BYTES[channel.bot]


def left(windows: Sequence[Window], sent: Sequence[datetime], now: datetime) -> int:
    """Return how many messages may go at ``now``, after those ``sent`` (oldest first)."""
    return min(_left(window, sent, now) for window in windows)


def _left(window: Window, sent: Sequence[datetime], now: datetime) -> int:
    in_hour = sum(at > now - _HOUR for at in sent)
    if in_hour < window.beyond:
        return window.beyond - in_hour
    return window.most - sum(at > now - window.span for at in sent)


def opens(windows: Sequence[Window], sent: Sequence[datetime], now: datetime) -> datetime:
    """Return when the next message may go: ``now``, or as soon as enough of those ``sent`` are past their windows."""
    in_hour = sum(at > now - _HOUR for at in sent)
    full = [window for window in windows if len(sent) >= window.most and in_hour >= window.beyond]
    return max([now, *(sent[-window.most] + window.span for window in full)])


def recent(windows: Sequence[Window], sent: Sequence[datetime], now: datetime) -> tuple[datetime, ...]:
    """Return those of ``sent`` that still count."""
    longest = max(window.span for window in windows)
    return tuple(at for at in sent if at > now - longest)
