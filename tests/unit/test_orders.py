"""Five messages about one person, in every order in which they may come, parked ones replayed: one final state."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest

from leadtrail.domain import lead as leads_of
from leadtrail.domain.company import Source
from leadtrail.domain.delivery import CallRecord, Contact, Delivery
from leadtrail.domain.identity import Identity
from leadtrail.services import intake, steering, watch
from leadtrail.services.intake import MERGED, PARKED
from leadtrail.services.people import Caller
from leadtrail.services.ports import Person
from leadtrail.services.steering import Order
from tests.builders import NINE
from tests.memory_store import MemoryConfiguration, MemoryStore
from tests.unit.test_clock_model import company, policy

NOW = NINE + timedelta(hours=1)
PHONE = (Identity("phone", "+8613800138001"),)
MINUTE = timedelta(minutes=1)


def call(key: str, direction: str, minutes_ago: int, talk_s: int) -> Delivery:
    at = NOW - minutes_ago * MINUTE
    return Delivery("phone", key, "call", at, True, PHONE, call=CallRecord(direction, at, talk_s, "rep-li"))


FIVE = (
    Delivery("web", "form", "lead", None, True, PHONE, Contact(name="王建国", phones=("+8613800138001",))),
    Delivery("fair", "list", "lead", None, True, PHONE, Contact(name="王建国", phones=("+8613800138001",))),
    call("missed", "in", 0, 0),
    call("answered", "out", 9, 65),
    call("again", "out", 4, 120),
)


def told(order: Sequence[Delivery]) -> dict[str, Any]:
    """Deliver in this order at one moment, then what was parked, until nothing changes; return what is known then."""
    current = policy(1, frozenset[date]())
    sources = {name: Source(name, "standard", "huadong", f"source/{name}") for name in ("web", "fair", "phone")}
    known = replace(company(current), sources=sources)
    store: Any = MemoryStore()
    config = MemoryConfiguration(known, {("default", 1): current})
    parked = list(order)
    for attempt in range(3):
        parked = [each for each in parked if _took(each, store, config, attempt) == PARKED]
    assert not parked
    watch.sweep(store=store, config=config, now=NOW)
    [lead] = store.projections.values()
    assert leads_of.fold(store.trail(lead.lead_id)) == lead
    return {
        "clocks": sorted((c.rule, c.episode, c.state, c.started_at, c.due_at, c.met_at) for c in lead.clocks),
        "touches": (lead.touches, lead.first_touch_at, lead.last_touch_at),
        "channels": sorted({entry.source for entry in lead.sources}),
        "stands": (lead.stage, lead.status, lead.owner, lead.team, lead.risk, lead.received_at),
        "events": Counter(event.kind for event in store.trail(lead.lead_id) if event.kind == "touch.recorded"),
    }


def _took(delivery: Delivery, store: Any, config: MemoryConfiguration, attempt: int) -> str:
    return intake.receive(
        delivery,
        None,
        store=store,
        config=config,
        new_person=lambda contact: Person("P", contact, b"k" * 32, b"s" * 16),
        attempt=f"{delivery.key} {attempt}",
        now=lambda: NOW,
        again=attempt > 0,
    ).outcome


STRAIGHT = told(FIVE)


def test_in_the_order_of_time_two_calls_answer_both_promises() -> None:
    states = {rule: state for rule, _, state, *_ in STRAIGHT["clocks"]}

    assert states == {"first_response": "met", "second_touch": "met", "no_progress": "running"}


@pytest.mark.parametrize("order", list(permutations(range(5))), ids=lambda order: "".join(map(str, order)))
def test_whatever_comes_first_the_lead_ends_the_same(order: tuple[int, ...]) -> None:
    assert told([FIVE[index] for index in order]) == STRAIGHT


@pytest.mark.parametrize(("minutes_ago", "outcome"), [(4, MERGED), (-4, PARKED)])
def test_a_call_that_is_learned_after_the_end_is_of_the_lead_only_where_it_was_before_the_end(
    minutes_ago: int, outcome: str
) -> None:
    current = policy(1, frozenset[date]())
    sources = {name: Source(name, "standard", "huadong", f"source/{name}") for name in ("web", "phone")}
    store: Any = MemoryStore()
    config = MemoryConfiguration(replace(company(current), sources=sources), {("default", 1): current})
    _took(FIVE[0], store, config, 0)
    [lead] = store.projections.values()
    boss = Caller("mgr-wang", "王芳", "manager", "huadong")
    steering.close(Order(lead.lead_id, "客户没有预算", boss, None, NOW), "lost", store=store, config=config)

    came_to = _took(call("late", "out", minutes_ago, 65), store, config, 0)

    assert came_to == outcome
    assert store.projections[lead.lead_id].status == "lost"
