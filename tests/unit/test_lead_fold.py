from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadtrail.adapters.projection import lead_from_json, lead_to_json
from leadtrail.domain import lead as leads_of
from leadtrail.domain import trail
from leadtrail.domain.clock import Clock, Step
from leadtrail.domain.lead import Lead, NeedsTrailError, SourceEntry
from leadtrail.domain.trail import GENESIS, Event, Happening
from tests.builders import NINE, SALT, Story, call, happening, received, sealed, self_reported, timing

TIMING = timing()
thrifty = settings(max_examples=60, deadline=None)


def at(minute: int) -> datetime:
    return NINE + timedelta(minutes=minute)


def touched(minute: int, *, effective: bool = True) -> Happening:
    return call(at(minute), talk_s=60 if effective else 3)


def one_of_many(minute: int, choice: int) -> Happening:
    kinds = [
        touched(minute),
        touched(minute, effective=False),
        happening("source.added", at(minute), source=f"s{minute}"),
        happening("owner.assigned", at(minute), owner=f"rep-{minute}", team=f"t{minute}", by="rotation"),
        happening("stage.changed", at(minute), **{"from": "?", "to": f"阶段{minute}"}),
        happening("lead.closed", at(minute), outcome="won", stage="成交"),
        happening("lead.reopened", at(minute), stage="重新跟进"),
        happening("merge.proposed", at(minute), person="Q"),
    ]
    return kinds[choice % len(kinds)]


independent = st.lists(st.tuples(st.integers(1, 500), st.integers(0, 7)), max_size=6, unique_by=lambda each: each[0])


def learned(happenings: list[Happening]) -> tuple[list[Event], Lead]:
    """Learn of happenings one by one, as the store does."""
    events: list[Event] = []
    lead: Lead | None = None
    for each in happenings:
        head = events[-1].seal if events else GENESIS
        new = trail.append([each], lead_id="L", seq=len(events), head=head, recorded_at=at(1000), salt=SALT)
        events += new
        try:
            lead = leads_of.evolve(lead, new)
        except NeedsTrailError:
            lead = leads_of.fold(events)
    assert lead is not None
    return events, lead


def meaning(lead: Lead) -> Lead:
    """Return the lead without what tells in which order we learned."""
    return replace(lead, seq=0, head="", newest="")


@thrifty
@given(independent)
def test_evolving_step_by_step_is_folding_the_whole_trail(chosen: list[tuple[int, int]]) -> None:
    events, lead = learned([received(), *(one_of_many(*each) for each in chosen)])

    assert lead == leads_of.fold(events)


@thrifty
@given(independent, st.randoms(use_true_random=False))
def test_every_order_of_arrival_folds_to_the_same_lead(chosen: list[tuple[int, int]], shuffle: Any) -> None:
    happenings = [one_of_many(*each) for each in chosen]
    _, in_order = learned([received(), *sorted(happenings, key=lambda each: each.occurred_at)])
    shuffle.shuffle(happenings)

    _, shuffled = learned([received(), *happenings])

    assert meaning(shuffled) == meaning(in_order)


def test_all_120_orders_of_five_happenings_come_to_one_lead() -> None:
    five = [one_of_many(minute, choice) for minute, choice in ((5, 0), (9, 2), (20, 4), (30, 3), (41, 5))]

    found = {repr(meaning(learned([received(), *order])[1])) for order in permutations(five)}

    assert len(found) == 1


@thrifty
@given(
    st.lists(st.tuples(st.integers(1, 8000), st.integers(0, 3000), st.integers(0, 3)), max_size=6),
    st.lists(st.integers(1, 12000), max_size=4),
)
def test_a_living_lead_is_at_any_time_the_fold_of_its_trail(
    touches: list[tuple[int, int, int]], sweeps: list[int]
) -> None:
    story = Story(TIMING)
    steps = [(minute + delay, (minute, kind)) for minute, delay, kind in touches]
    steps += [(minute, None) for minute in sweeps]

    for minute, what in sorted(steps, key=lambda step: step[0]):
        if what is None:
            story.sweep(at(minute))
        elif what[1] == 0:
            story.touch(self_reported(at(what[0]), recorded_at=at(minute)), at(minute))
        elif what[1] == 1:
            story.advance(f"阶段{minute}", at(minute))
        else:
            story.touch(touched(what[0], effective=what[1] == 2), at(minute))

        assert story.lead == leads_of.fold(story.events)
        assert lead_from_json(lead_to_json(story.lead)) == story.lead
    assert trail.verify(story.events, salt=SALT) is None


def test_an_older_event_asks_for_the_whole_trail() -> None:
    events = sealed([received(), touched(10), touched(5)])
    lead = leads_of.evolve(None, events[:2])

    with pytest.raises(NeedsTrailError):
        leads_of.evolve(lead, events[2:])


def test_at_one_instant_the_rank_of_the_kind_decides_and_then_the_trail() -> None:
    stage = happening("stage.changed", at(5), **{"from": "?", "to": "甲"})
    other = happening("stage.changed", at(5), **{"from": "?", "to": "乙"})
    owner = happening("owner.assigned", at(5), owner="rep-li", by="rotation")

    events, lead = learned([received(), stage, other, owner])

    assert [event.kind for event in sorted(events, key=leads_of.order)] == [
        "lead.received",
        "owner.assigned",
        "stage.changed",
        "stage.changed",
    ]
    assert (lead.stage, lead.owner) == ("乙", "rep-li")


def test_the_arrival_folds_first_even_if_something_happened_before_it() -> None:
    _, lead = learned([received(), touched(-30)])

    assert lead.touches == 1
    assert lead.received_at == at(1000)  # a live lead is received when we hear of it


def test_a_trail_without_an_arrival_is_no_lead() -> None:
    with pytest.raises(ValueError, match=r"lead\.received"):
        leads_of.fold(sealed([touched(5)]))


def test_a_trail_of_nothing_is_no_lead() -> None:
    with pytest.raises(ValueError, match=r"lead\.received"):
        leads_of.fold([])


def test_seq_and_head_name_the_last_sealed_event_and_not_the_latest_happening() -> None:
    events, lead = learned([received(), touched(30), touched(5)])

    assert (lead.seq, lead.head) == (3, events[2].seal)
    assert lead.newest == leads_of.order(events[1])


@pytest.mark.parametrize(
    ("said_minutes_ago", "signed", "moved"),
    [(0, True, 0), (10, True, 10), (15, True, 15), (600, True, 15), (-30, True, 0), (10, False, 0), (None, True, 0)],
)
def test_a_clock_starts_at_most_fifteen_minutes_before_we_heard(
    said_minutes_ago: int | None, signed: bool, moved: int
) -> None:
    occurred_at = None if said_minutes_ago is None else NINE - timedelta(minutes=said_minutes_ago)

    starts_at = leads_of.backdated(NINE, occurred_at, signed=signed)

    assert starts_at == NINE - timedelta(minutes=moved)


instants = st.integers(0, 10**9).map(lambda ms: NINE + timedelta(milliseconds=ms))
clocks = st.builds(
    Clock,
    rule=st.sampled_from(["first_response", "second_touch"]),
    episode=st.integers(1, 9),
    policy=st.just("default"),
    policy_version=st.integers(1, 99),
    started_at=instants,
    due_at=instants,
    warn_at=st.none() | instants,
    steps=st.lists(st.builds(Step, st.integers(1, 5), st.sampled_from(["owner", "manager"]), instants), max_size=3).map(
        tuple
    ),
    starts=st.sampled_from(["lead.received", "touch.first", "stage.entered"]),
    meets=st.sampled_from([("touch",), ("stage",), ("touch", "stage")]),
    certainty=st.sampled_from(["published", "estimated"]),
    state=st.sampled_from(["running", "paused", "met", "breached", "cancelled"]),
    warned=st.booleans(),
    level=st.integers(0, 5),
    breached_at=st.none() | instants,
    met_at=st.none() | instants,
    dormant=st.booleans(),
)
leads = st.builds(
    Lead,
    lead_id=st.text(min_size=1, max_size=5),
    person_id=st.text(max_size=5),
    source=st.text(max_size=5),
    received_at=instants,
    team=st.text(max_size=5),
    stage=st.text(max_size=5),
    stage_at=instants,
    owner=st.none() | st.text(max_size=5),
    status=st.sampled_from(["open", "won", "lost"]),
    sources=st.lists(st.builds(SourceEntry, st.text(max_size=5), instants), max_size=3).map(tuple),
    clocks=st.lists(clocks, max_size=3).map(tuple),
    touches=st.integers(0, 99),
    first_touch_at=st.none() | instants,
    first_touch_reported=st.booleans(),
    last_touch_at=st.none() | instants,
    origin=st.sampled_from(["live", "import"]),
    seq=st.integers(0, 10**6),
    head=st.text(max_size=5),
    newest=st.text(max_size=5),
    fold=st.integers(1, 9),
)


@thrifty
@given(leads)
def test_any_lead_survives_the_table(lead: Lead) -> None:
    assert lead_from_json(lead_to_json(lead)) == lead
