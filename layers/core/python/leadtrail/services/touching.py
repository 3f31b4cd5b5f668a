"""A person reports a touch: it goes on the trail with what it means for the clocks, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from leadtrail.domain import ids, lifecycle, touch
from leadtrail.domain.errors import InvalidInputError, NotFoundError
from leadtrail.domain.lead import Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.trail import Happening
from leadtrail.services import retracting
from leadtrail.services.idempotency import Command
from leadtrail.services.people import Caller, workable
from leadtrail.services.ports import Change, Configuration, Person, Store

AHEAD = timedelta(minutes=5)  # a phone's clock may run ahead of ours by so much
BEFORE = timedelta(minutes=15)  # a touch may be older than the lead's receipt by so much (DESIGN section 5)


@dataclass(frozen=True, slots=True)
class Report:
    """What a person says that they did; ``occurred_at`` is aware UTC, ``talk_s`` seconds of talk of a call."""

    kind: str
    direction: str
    occurred_at: datetime
    talk_s: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """The event that was written, and the rules whose clocks it answered; ``repeated`` when it stood already."""

    seq: int
    kind: str
    met: tuple[str, ...]
    repeated: bool = False

    def answer(self) -> dict[str, Any]:
        """Return the wire shape of API.md, as its receipt keeps it."""
        return {"event": {"seq": self.seq, "kind": self.kind}, "met": list(self.met)}


def report(
    lead_id: str,
    said: Report,
    *,
    caller: Caller,
    command: Command | None,
    store: Store,
    config: Configuration,
    now: datetime,
) -> Reported:
    """Write a touch that a person reports, once per command: one batch read and one transaction.

    A note takes one read more, for the person's key; a touch older than the newest event another,
    for the trail.

    Raises:
        NotFoundError: absent, or somebody else's.
        AlreadyMergedError: it became part of another lead, which is named.
        InvalidInputError: names the field that makes no sense.
        IdempotencyMismatchError: the command's key was used for something else.
        StaleLeadError: others were first eight times running.
    """
    if not ids.is_id(lead_id):
        raise NotFoundError

    def once() -> Reported:
        view = store.command_view(command.receipt_at if command else None, lead_id)
        known = command.repeated(view.receipt) if command else None
        if known is not None:
            return _again(known)
        lead = workable(view.lead, caller)
        _check(said, lead, now)
        company = config.company(view.stamp)
        policy = company.policy_of(lead)
        happenings = lifecycle.touch(
            lead, _touched(said, lead, caller, now), timing=Timing(policy, config.calendar(policy)), now=now
        )
        done = Reported(lead.seq + 1, happenings[0].kind, _met(happenings))
        change = Change(
            lead_id=lead_id,
            recorded_at=now,
            lead=lead,
            happenings=happenings,
            person=_person(lead, store) if said.note else None,
            receipt=command.receipt(done.answer(), lead_id=lead_id, now=now) if command else None,
        )
        store.commit(retracting.with_corrections(change, store=store, company=company))
        return done

    return store.settled(once)


def _again(answer: Mapping[str, Any]) -> Reported:
    event = answer["event"]
    return Reported(event["seq"], event["kind"], tuple(answer["met"]), repeated=True)


def _check(said: Report, lead: Lead, now: datetime) -> None:
    if said.occurred_at > now + AHEAD:
        raise InvalidInputError("occurred_at", "不能晚于现在5分钟以上")
    if said.occurred_at < lead.received_at - BEFORE:
        raise InvalidInputError("occurred_at", "不能早于线索到达前15分钟")
    if said.talk_s is not None and said.kind != "call":
        raise InvalidInputError("talk_s", "只有电话才有通话时长")


def _touched(said: Report, lead: Lead, caller: Caller, now: datetime) -> Happening:
    now = max(now, lead.newest_at or now)  # a report comes behind what stands on the trail, whatever clock wrote that
    return touch.reported(
        kind=said.kind,
        direction=said.direction,
        occurred_at=min(said.occurred_at, now),
        recorded_at=now,
        actor=caller.actor,
        talk_s=said.talk_s,
        note=said.note,
    )


def _met(happenings: tuple[Happening, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.facts["rule"] for item in happenings if item.kind == "clock.met"))


def _person(lead: Lead, store: Store) -> Person:
    person = store.persons([lead.person_id]).get(lead.person_id) if lead.person_id else None
    if person is None:
        raise InvalidInputError("note", "此人的资料已删除，不能再写入文字")
    return person
