"""Steering a lead: pause and resume its clocks, close and reopen it, withdraw a touch that was a mistake.

Each is a command: decided from the lead as it is, written once, with the person who gave it and their reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from leadtrail.domain import ids, lifecycle, pausing, withdrawal
from leadtrail.domain.clock import Clock
from leadtrail.domain.errors import ForbiddenError, InvalidInputError, LeadClosedError, LeadOpenError, NotFoundError
from leadtrail.domain.lead import LOST, WON, Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.merging import Instruction, Told
from leadtrail.domain.pausing import Wish
from leadtrail.domain.trail import Event, Happening
from leadtrail.services import retracting
from leadtrail.services.idempotency import Command
from leadtrail.services.people import Caller, workable
from leadtrail.services.ports import Change, Configuration, Store

OUTCOMES = (WON, LOST)
Decide = Callable[[Lead], tuple[Happening, ...]]


@dataclass(frozen=True, slots=True)
class Steered:
    """The lead's version now and the events that were written, as (seq, kind); ``repeated`` when they stood already."""

    version: int
    events: Sequence[tuple[int, str]]
    repeated: bool = False

    def answer(self) -> dict[str, Any]:
        """Return the wire shape of docs/api.md, as its receipt keeps it."""
        return {"version": self.version, "events": [{"seq": seq, "kind": kind} for seq, kind in self.events]}


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants something of which lead, why (in their own words), when (aware UTC), and of which command it is."""

    lead_id: str
    reason: str
    caller: Caller
    command: Command | None
    now: datetime


def pause(order: Order, wish: Wish, *, store: Store, config: Configuration) -> Steered:
    """Hold up the clocks of an open lead until ``wish.until``.

    Raises:
        NotFoundError, AlreadyMergedError, IdempotencyMismatchError, StaleLeadError: as any command.
        LeadClosedError: its clocks have ended.
        InvalidInputError: names ``until``, ``reason`` or ``rules``, and the rule that it breaks.
    """

    def decide(lead: Lead) -> tuple[Happening, ...]:
        return pausing.pause(
            _open(lead), wish, now=order.now, actor=order.caller.actor, pinned=lambda clock: _pinned(clock, config)
        )

    return _steer(order, decide, store, config)


def resume(order: Order, *, store: Store, config: Configuration) -> Steered:
    """End a pause before its time; raises as `pause`."""

    def decide(lead: Lead) -> tuple[Happening, ...]:
        return pausing.resume(
            _open(lead), now=order.now, actor=order.caller.actor, pinned=lambda clock: _pinned(clock, config)
        )

    return _steer(order, decide, store, config)


def close(order: Order, outcome: str, *, store: Store, config: Configuration) -> Steered:
    """End a lead as won or lost; what its clocks still owed is cancelled, breaches stay. Raises as `pause`."""
    if outcome not in OUTCOMES:
        raise InvalidInputError("outcome", f"只能是 {'、'.join(OUTCOMES)} 之一")

    def decide(lead: Lead) -> tuple[Happening, ...]:
        closed = Happening("lead.closed", order.now, order.caller.actor, {"outcome": outcome})
        return lifecycle.close(_open(lead), closed)

    return _steer(order, decide, store, config)


def reopen(order: Order, *, store: Store, config: Configuration) -> Steered:
    """Open a closed lead again, where it was; its clocks go on as new episodes without the closed span.

    Raises:
        LeadOpenError: it is open; others as `pause`.
    """

    def decide(lead: Lead) -> tuple[Happening, ...]:
        if lead.is_open:
            raise LeadOpenError(lead=lead.lead_id)
        reopened = Happening("lead.reopened", order.now, order.caller.actor)
        return lifecycle.reopen(
            lead, reopened, timing=_timing(lead, config), pinned=lambda clock: _pinned(clock, config)
        )

    return _steer(order, decide, store, config)


def withdraw(order: Order, seq: int, *, store: Store, config: Configuration) -> Steered:
    """Take back a touch that was recorded by mistake: what it had answered is owed again.

    A rep takes back what they typed in themselves; what a machine saw, or somebody else wrote, a manager.

    Raises:
        ForbiddenError: a rep, and not their own words.
        InvalidInputError: ``seq`` is no touch, or was withdrawn; others as `pause`.
    """

    def decide(lead: Lead) -> tuple[Happening, ...]:
        events = store.trail(lead.lead_id)
        _require_own(events, seq, order.caller)
        said = Instruction(order.caller.actor, order.now, order.reason)
        return withdrawal.withdraw(Told(lead, events), seq, said, timing=_timing(lead, config))

    return _steer(order, decide, store, config)


def _steer(order: Order, decide: Decide, store: Store, config: Configuration) -> Steered:
    """Decide and write in one transaction, once per command: one batch read, the person, and one write."""
    if not ids.is_id(order.lead_id):
        raise NotFoundError
    command = order.command

    def once() -> Steered:
        view = store.command_view(command.receipt_at if command else None, order.lead_id)
        known = command.repeated(view.receipt) if command else None
        if known is not None:
            events = [(event["seq"], event["kind"]) for event in known["events"]]
            return Steered(known["version"], events, repeated=True)
        lead = workable(view.lead, order.caller)
        happenings = decide(lead)
        done = Steered(lead.seq + len(happenings), [(lead.seq + n, each.kind) for n, each in enumerate(happenings, 1)])
        person = store.persons([lead.person_id]).get(lead.person_id) if lead.person_id else None
        first, *rest = happenings
        worded = replace(first, text={"reason": order.reason} if person and order.reason else None)
        change = Change(
            lead_id=lead.lead_id,
            recorded_at=order.now,
            lead=lead,
            happenings=(worded, *rest),
            person=person,
            receipt=command.receipt(done.answer(), lead_id=lead.lead_id, now=order.now) if command else None,
        )
        store.commit(retracting.with_corrections(change, store=store, company=config.company(view.stamp)))
        return done

    return store.settled(once)


def _open(lead: Lead) -> Lead:
    if not lead.is_open:
        raise LeadClosedError(lead=lead.lead_id)
    return lead


def _timing(lead: Lead, config: Configuration) -> Timing:
    """Return the policy that a clock of this lead would pin now."""
    policy = config.current().policy_of(lead)
    return Timing(policy, config.calendar(policy))


def _pinned(clock: Clock, config: Configuration) -> Timing:
    policy = config.policy(clock.policy, clock.policy_version)
    return Timing(policy, config.calendar(policy))


def _require_own(events: Sequence[Event], seq: int, caller: Caller) -> None:
    if caller.leads_people:
        return
    touch = next((event for event in events if event.seq == seq and event.kind == "touch.recorded"), None)
    is_own = touch is not None and touch.actor == caller.actor and touch.facts.get("self_reported")
    if touch is not None and not is_own:
        raise ForbiddenError("只能撤回自己填写的跟进，其他记录请主管撤回")
