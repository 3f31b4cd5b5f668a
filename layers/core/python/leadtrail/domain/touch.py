"""Touches: what counts as following up a lead, and from which instant.

Effective is what a human did and what left a trace (DESIGN section 5, PRODUCT 24 and 25): machine
traces count from when they happened; what a person types in counts from when it was recorded, is
marked 自述 (self_reported), and never corrects a breach. Bots never count.
"""

from __future__ import annotations

from datetime import datetime

from leadtrail.domain.instant import to_text
from leadtrail.domain.trail import Happening

KINDS = ("call", "message", "meeting", "visit", "email")
DIRECTIONS = ("in", "out")
TALK_S = 30  # a call of at least this many seconds of talk counts (policy default)
KIND_TITLES = {"call": "电话", "message": "消息", "meeting": "会议", "visit": "拜访", "email": "邮件"}


def reported(
    *,
    kind: str,
    direction: str,
    occurred_at: datetime,
    recorded_at: datetime,
    actor: str,
    talk_s: int | None = None,
    note: str | None = None,
) -> Happening:
    """Return `touch.recorded` for what a person typed in; it counts from ``recorded_at``."""
    effective = kind != "call" or talk_s is None or talk_s >= TALK_S
    facts: dict[str, object] = {"touch": kind, "direction": direction, "self_reported": True, "effective": effective}
    if talk_s is not None:
        facts["talk_s"] = talk_s
    if effective:
        facts["effective_at"] = to_text(recorded_at)
    return Happening("touch.recorded", occurred_at, actor, facts, {"note": note} if note else None)


def call(
    *,
    direction: str,
    started_at: datetime,
    talk_s: int,
    actor: str,
    agent: str | None,
    receipt: str,
    is_of_lead: bool = True,
) -> Happening:
    """Return `touch.recorded` for a call record; a connected call counts from ``started_at``.

    One that had ended long before the lead arrived (``is_of_lead`` False) is kept, and answers nothing.

    A call with less talk than the limit is kept, and answers nothing; a missed inbound call is one.
    """
    effective = talk_s >= TALK_S and is_of_lead
    facts: dict[str, object] = {
        "touch": "call",
        "direction": direction,
        "talk_s": talk_s,
        "self_reported": False,
        "effective": effective,
        "receipt": receipt,
    }
    if agent:
        facts["agent"] = agent
    if effective:
        facts["effective_at"] = to_text(started_at)
    return Happening("touch.recorded", started_at, actor, facts)
