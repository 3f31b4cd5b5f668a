from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from leadtrail.domain import lifecycle
from leadtrail.domain.trail import Happening
from tests.builders import NINE, Story, call, happening, timing

TIMING = timing()


def arrival(**changes: Any) -> tuple[Happening, ...]:
    known: dict[str, Any] = {
        "source": "standard",
        "person": "P",
        "team": "huadong",
        "owner": "rep-li",
        "actor": "source:standard",
        "receipt": "r",
        "occurred_at": None,
        "received_at": NINE,
        "signed": True,
        "timing": TIMING,
    }
    return lifecycle.receive(**(known | changes))


def test_a_lead_arrives_with_owner_and_clocks_in_one_breath() -> None:
    kinds = [each.kind for each in arrival()]

    assert kinds == ["lead.received", "owner.assigned", "clock.started", "clock.started"]


def test_a_lead_that_nobody_can_take_is_received_without_an_owner() -> None:
    assert [each.kind for each in arrival(owner=None)] == ["lead.received", "clock.started", "clock.started"]


def test_the_providers_time_stands_on_the_trail_and_moves_clocks_by_fifteen_minutes_at_most() -> None:
    received, assigned, *clocks = arrival(occurred_at=NINE - timedelta(days=3))

    assert received.occurred_at == NINE - timedelta(days=3)
    assert {each.occurred_at for each in (assigned, *clocks)} == {NINE - timedelta(minutes=15)}


def test_a_time_in_the_future_is_ours() -> None:
    assert {each.occurred_at for each in arrival(occurred_at=NINE + timedelta(days=1))} == {NINE}


def test_what_people_wrote_is_text_and_no_fact() -> None:
    received, *_ = arrival(text={"需求": "三月上线"})

    assert received.text == {"需求": "三月上线"}
    assert "三月上线" not in str(received.facts)


def test_a_history_tells_its_own_time_and_its_clocks_sleep() -> None:
    received, _, *clocks = arrival(timing=replace(TIMING, history=True), occurred_at=NINE - timedelta(days=300))

    assert received.facts["origin"] == "import"
    assert all(each.facts["dormant"] for each in clocks)
    assert {each.occurred_at for each in clocks} == {NINE - timedelta(days=300)}


def test_a_preview_is_the_lead_that_the_store_will_make() -> None:
    story = Story(TIMING)

    preview = lifecycle.preview("L", arrival(occurred_at=NINE), recorded_at=NINE)

    assert preview == story.lead


def test_a_touch_of_a_closed_lead_is_kept_and_means_nothing_more() -> None:
    story = Story(TIMING)
    closed = happening("lead.closed", NINE + timedelta(minutes=5), outcome="lost", stage="输单")
    story.write(lifecycle.close(story.lead, closed), closed.occurred_at)

    story.touch(call(NINE + timedelta(minutes=10)), NINE + timedelta(minutes=11))

    assert story.events[-1].kind == "touch.recorded"
    assert {each.state for each in story.lead.clocks} == {"cancelled"}
    assert story.lead.risk == ()


def test_a_closed_lead_wakes_nobody() -> None:
    story = Story(TIMING)
    closed = happening("lead.closed", NINE + timedelta(minutes=5), outcome="won", stage="成交")

    story.write(lifecycle.close(story.lead, closed), closed.occurred_at)
    story.sweep(NINE + timedelta(days=30))

    assert (story.lead.status, story.lead.stage, story.told) == ("won", "成交", [])


@pytest.mark.parametrize("team", ["huadong", "huanan"])
def test_an_assignment_names_who_and_where(team: str) -> None:
    assigned = lifecycle.assign("rep-li", team, NINE, by="rotation")

    assert assigned.facts == {"owner": "rep-li", "team": team, "by": "rotation"}
