from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from leadtrail.domain import lead as leads_of
from leadtrail.domain import pausing
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.pausing import Wish
from tests.builders import NINE, NO_PROGRESS, SECOND_TOUCH, Story, call, facts_of, policy_of, rule, timing

HOUR = timedelta(hours=1)
TUESDAY_NINE = NINE + timedelta(days=1)


def test_a_pause_moves_the_due_time_by_the_working_time_that_it_took() -> None:
    story = Story(timing())

    story.pause(TUESDAY_NINE, NINE + HOUR)

    clock = story.clock("first_response")
    assert (clock.state, clock.paused_until) == ("paused", TUESDAY_NINE)
    assert clock.due_at == TUESDAY_NINE + HOUR  # one of the two hours had passed
    assert clock.wakes_at == TUESDAY_NINE


def test_the_end_of_a_pause_is_recorded_at_its_instant_and_the_clock_runs_on() -> None:
    story = Story(timing())
    story.pause(TUESDAY_NINE, NINE + HOUR)

    story.sweep(TUESDAY_NINE + timedelta(minutes=3))

    assert facts_of(story.events, "clock.resumed") == ["2026-01-27T01:00:00.000Z"] * 2
    clock = story.clock("first_response")
    assert (clock.state, clock.paused_until, clock.wakes_at) == ("running", None, clock.warn_at)
    assert story.told == []


def test_a_sweep_that_comes_long_after_a_pause_records_all_that_passed_and_tells_the_highest_level() -> None:
    story = Story(timing())
    story.pause(TUESDAY_NINE, NINE + HOUR, "first_response")

    story.sweep(TUESDAY_NINE + timedelta(days=2))

    kinds = [event.kind for event in story.events if event.facts.get("rule") == "first_response"]
    assert kinds[1:] == ["clock.paused", "clock.resumed", "clock.breached", *["clock.escalated"] * 3]
    assert [(notice.level, notice.to) for notice in story.told] == [(3, "director")]


def test_a_pause_that_is_ended_early_counts_only_the_time_that_it_lasted() -> None:
    story = Story(timing())
    story.pause(TUESDAY_NINE, NINE + HOUR)

    story.resume(NINE + 2 * HOUR)

    clock = story.clock("first_response")
    assert (clock.state, clock.due_at) == ("running", NINE + 3 * HOUR)
    assert clock.pauses == ((NINE + HOUR, NINE + 2 * HOUR),)


def test_pausing_and_resuming_at_once_changes_no_due_time() -> None:
    story = Story(timing())
    before = story.clock("first_response").due_at

    story.pause(TUESDAY_NINE, NINE + HOUR)
    story.resume(NINE + HOUR)

    assert story.clock("first_response").due_at == before
    assert story.clock("first_response").pauses == ()


def test_a_natural_clock_stands_still_by_natural_time() -> None:
    story = Story(timing())
    story.touch(call(NINE + timedelta(minutes=5)), NINE + timedelta(minutes=10))
    due_at = story.clock("second_touch").due_at

    story.pause(NINE + 30 * HOUR, NINE + 10 * HOUR, "second_touch")

    assert story.clock("second_touch").due_at == due_at + 20 * HOUR
    assert story.clock("no_progress").state == "running"


def test_a_late_clock_stays_late_while_its_next_level_waits_for_the_end_of_the_pause() -> None:
    story = Story(timing())
    story.sweep(NINE + 2 * HOUR)

    story.pause(TUESDAY_NINE, NINE + 2 * HOUR + timedelta(minutes=30))

    clock = story.clock("first_response")
    assert (clock.state, clock.due_at, clock.wakes_at) == ("breached", NINE + 2 * HOUR, TUESDAY_NINE)
    manager = next(step for step in clock.steps if step.to == "manager")
    assert manager.at == TUESDAY_NINE + timedelta(minutes=30)
    story.sweep(TUESDAY_NINE)
    assert [notice.to for notice in story.told] == ["owner"]
    story.sweep(TUESDAY_NINE + timedelta(minutes=30))
    assert [notice.to for notice in story.told] == ["owner", "manager"]


def test_a_breach_that_no_sweep_has_seen_comes_before_the_pause() -> None:
    story = Story(timing())

    story.pause(TUESDAY_NINE, NINE + 4 * HOUR, "first_response")

    assert [event.kind for event in story.events][-2:] == ["clock.breached", "clock.paused"]


def test_an_answer_during_a_pause_ends_it() -> None:
    story = Story(timing())
    story.pause(TUESDAY_NINE, NINE + HOUR)

    story.touch(call(NINE + 2 * HOUR), NINE + 2 * HOUR)

    clock = story.clock("first_response")
    assert (clock.state, clock.paused_until, clock.wakes_at) == ("met", None, None)


def test_a_call_from_before_the_pause_that_is_learned_after_it_meets_the_clock() -> None:
    story = Story(timing())
    story.pause(TUESDAY_NINE, NINE + HOUR)
    story.sweep(TUESDAY_NINE)

    story.touch(call(NINE + timedelta(minutes=30)), TUESDAY_NINE + timedelta(minutes=5))

    assert story.clock("first_response").state == "met"
    assert story.lead == leads_of.fold(story.events)


def test_a_warning_that_lies_behind_the_pause_is_given_again_only_when_it_was_not_given() -> None:
    story = Story(timing())
    story.sweep(NINE + timedelta(minutes=90))  # warned at 75 %

    story.pause(TUESDAY_NINE, NINE + timedelta(minutes=100), "first_response")
    story.sweep(TUESDAY_NINE)

    assert [notice.level for notice in story.told] == [0]
    assert story.clock("first_response").wakes_at == story.clock("first_response").due_at


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (Wish(NINE, "customer-asked"), "until"),
        (Wish(NINE - HOUR, "customer-asked"), "until"),
        (Wish(NINE + timedelta(minutes=4), "customer-asked"), "until"),
        (Wish(NINE + timedelta(days=14, seconds=1), "customer-asked"), "until"),
        (Wish(datetime(9999, 12, 31, tzinfo=UTC), "customer-asked"), "until"),
        (Wish(TUESDAY_NINE, "no reason"), "reason"),
        (Wish(TUESDAY_NINE, ""), "reason"),
        (Wish(TUESDAY_NINE, "customer-asked", ("second_touch",)), "rules"),
        (Wish(TUESDAY_NINE, "customer-asked", ("unknown",)), "rules"),
    ],
)
def test_a_pause_without_end_or_beyond_its_cap_or_of_nothing_is_refused_by_name(wish: Wish, field: str) -> None:
    story = Story(timing())

    with pytest.raises(InvalidInputError) as refused:
        pausing.pause(story.lead, wish, now=NINE, actor="rep:li", pinned=story.pinned)

    assert refused.value.facts["field"] == field


def test_the_cap_holds_for_all_pauses_of_a_clock_together_and_says_what_is_left() -> None:
    story = Story(timing())
    story.pause(NINE + timedelta(days=10), NINE)
    story.sweep(NINE + timedelta(days=10))

    with pytest.raises(InvalidInputError) as refused:
        story.pause(NINE + timedelta(days=15), NINE + timedelta(days=10, minutes=1))

    assert refused.value.facts["left_seconds"] == timedelta(days=4).total_seconds()
    assert "还可暂停4天" in str(refused.value)


def test_a_rule_that_nobody_may_pause_runs_on_while_others_stand_still() -> None:
    found = timing(rules=[rule(pause=None), SECOND_TOUCH, NO_PROGRESS])
    story = Story(found)

    story.pause(TUESDAY_NINE, NINE + HOUR)

    assert (story.clock("first_response").state, story.clock("no_progress").state) == ("running", "paused")
    with pytest.raises(InvalidInputError):
        story.pause(TUESDAY_NINE, NINE + HOUR, "first_response")


def test_nothing_is_resumed_where_nothing_is_paused() -> None:
    story = Story(timing())

    with pytest.raises(InvalidInputError):
        story.resume(NINE + HOUR)


def test_leave_pauses_a_clock_from_its_beginning_where_the_policy_says_so() -> None:
    story = Story(timing())
    policy = replace(policy_of(), leave="pause")
    away = (NINE + HOUR, TUESDAY_NINE)

    paused = pausing.for_leave(
        story.clock("first_response"),
        away=away,
        now=NINE + timedelta(minutes=90),
        pinned=lambda _: replace(story.timing, policy=policy),
    )
    without = pausing.for_leave(story.clock("first_response"), away=away, now=NINE + HOUR, pinned=story.pinned)

    assert paused is not None
    assert (paused.facts["reason"], paused.facts["due_at"]) == ("leave", "2026-01-27T02:00:00.000Z")
    assert without is None
