from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadtrail.domain import clock as clocks_of
from leadtrail.domain import schedule
from leadtrail.domain.clock import WARNING, Clock
from leadtrail.domain.lead import fold
from leadtrail.domain.trail import Happening
from tests.builders import LEVELS, NINE, Story, call, facts_of, policy_body, rule, running, self_reported, timing

ELEVEN = NINE + timedelta(hours=2)
TIMING = timing()
SECOND = timedelta(seconds=1)
thrifty = settings(max_examples=60, deadline=None)
State = tuple[str, int, str, datetime | None, datetime | None]


def states(story: Story) -> list[State]:
    return sorted((each.rule, each.episode, each.state, each.breached_at, each.met_at) for each in story.lead.clocks)


def replayed(clock: Clock, happenings: Sequence[Happening]) -> Clock:
    for each in happenings:
        clock = clocks_of.apply(clock, each.kind, each.occurred_at, each.facts)
    return clock


# -- what a clock promises -----------------------------------------------------------------------


def test_the_three_promises_start_where_the_brief_says() -> None:
    story = Story(TIMING)
    story.touch(call(NINE + timedelta(minutes=10)), NINE + timedelta(minutes=11))

    due = {each.rule: each.due_at - NINE for each in story.lead.clocks}

    assert due == {
        "first_response": timedelta(hours=2),
        "second_touch": timedelta(hours=72, minutes=10),
        "no_progress": timedelta(days=7),  # five working days from Monday nine o'clock
    }


def test_levels_and_warning_stand_in_the_started_event() -> None:
    clock = running()

    assert clock.warn_at == NINE + timedelta(minutes=90)
    assert [(step.level, step.to, step.at - ELEVEN) for step in clock.steps] == [
        (1, "owner", timedelta(0)),
        (2, "manager", timedelta(hours=1)),
        (3, "director", timedelta(days=1)),
    ]


def test_levels_are_climbed_in_the_order_of_time_however_they_were_written() -> None:
    story = Story(timing(rules=[rule(levels=LEVELS[::-1])]))

    assert [step.to for step in story.clock("first_response").steps] == ["owner", "manager", "director"]


def test_a_clock_wakes_for_its_warning_its_breach_and_each_level() -> None:
    clock = running()
    woken = [clock.wakes_at]

    while clock.wakes_at:
        clock = replayed(clock, clocks_of.wake(clock, clock.wakes_at)[0])
        woken.append(clock.wakes_at)

    assert woken == [clock.warn_at, clock.due_at, clock.steps[1].at, clock.steps[2].at, None]


def test_a_first_level_after_the_breach_tells_nobody_at_the_breach() -> None:
    story = Story(timing(rules=[rule(warn_at=None, levels=[{"after": "PT1H", "to": "manager"}])]))

    story.sweep(ELEVEN)
    at_breach = list(story.told)
    story.sweep(NINE + timedelta(hours=5))

    assert story.clock("first_response").breached_at == ELEVEN
    assert at_breach == []
    assert [notice.to for notice in story.told] == ["manager"]


def paused(name: str, *pauses: tuple[datetime, datetime]) -> Clock:
    """A clock of the brief's policy that begins at nine, with spans that do not count."""
    wanted = TIMING.policy.rule(name)
    assert wanted is not None
    begun = schedule.start(TIMING.policy, wanted, TIMING.calendar, at=NINE, episode=1, pauses=pauses)
    return clocks_of.started(begun.facts, begun.occurred_at)


def test_a_pause_puts_off_the_warning_the_due_time_and_the_levels_behind_it() -> None:
    pause = (NINE + timedelta(minutes=30), NINE + timedelta(minutes=60))

    clock = paused("first_response", pause)

    assert clock.pauses == (pause,)
    assert (clock.warn_at, clock.due_at) == (NINE + timedelta(hours=2), NINE + timedelta(minutes=150))
    assert [step.at for step in clock.steps] == [
        clock.due_at,
        NINE + timedelta(hours=5),  # half an hour until lunch, and half an hour from 13:30 on
        clock.due_at + timedelta(days=1),
    ]


@pytest.mark.parametrize(
    ("since", "until", "due"),
    [(-5, -1, 72), (-1, 1, 73), (10, 20, 82), (71, 80, 81), (72, 80, 72), (90, 99, 72)],
    ids=["before it", "over its start", "within", "over its end", "as it runs out", "behind it"],
)
def test_natural_time_leaves_out_what_lies_between_start_and_due_time(since: int, until: int, due: int) -> None:
    pause = (NINE + timedelta(hours=since), NINE + timedelta(hours=until))

    assert paused("second_touch", pause).due_at == NINE + timedelta(hours=due)


def test_pauses_that_touch_are_one_and_come_in_order() -> None:
    first, second, third = ((NINE + timedelta(hours=n), NINE + timedelta(hours=n + 1)) for n in (1, 2, 9))

    clock = paused("second_touch", third, second, first)

    assert clock.pauses == ((first[0], second[1]), third)
    assert (clock.warn_at, clock.due_at) == (NINE + timedelta(hours=57), NINE + timedelta(hours=75))


def test_working_days_are_put_off_by_the_working_time_of_a_pause() -> None:
    weekend = (NINE + timedelta(days=4, hours=9), NINE + timedelta(days=7))
    monday = (NINE + timedelta(hours=1), NINE + timedelta(hours=2))

    assert paused("no_progress", weekend).due_at == NINE + timedelta(days=7)
    assert paused("no_progress", weekend, monday).due_at == NINE + timedelta(days=7, hours=1)


def test_what_is_kept_of_a_pause_is_what_was_counted() -> None:
    pause = (NINE + timedelta(microseconds=1700), NINE + timedelta(hours=1, microseconds=2100))

    clock = paused("second_touch", pause)

    counted = schedule.count(TIMING.policy.rules[1], TIMING.calendar, clock.started_at, clock.pauses)
    assert counted.due_at == clock.due_at


def test_what_lies_ahead_of_a_resumed_clock_is_not_recalled() -> None:
    warned = running(warned=True)
    late = running(state="breached", breached_at=ELEVEN, level=1)
    hour = timedelta(hours=1)

    assert clocks_of.recall(warned, running(warn_at=ELEVEN + hour), ELEVEN) == ()
    assert clocks_of.recall(late, running(due_at=ELEVEN + hour), ELEVEN) == ()
    assert [each.kind for each in clocks_of.recall(late, running(), ELEVEN)] == ["clock.breached", "clock.escalated"]
    assert [each.kind for each in clocks_of.recall(warned, running(), ELEVEN)] == ["clock.warned"]


# -- waking ----------------------------------------------------------------------------------------


@thrifty
@given(st.lists(st.integers(0, 4 * 1440), min_size=1, max_size=8))
def test_wake_never_fires_twice(minutes: list[int]) -> None:
    clock = running()

    for minute in sorted(minutes):
        now = NINE + timedelta(minutes=minute)
        clock = replayed(clock, clocks_of.wake(clock, now)[0])

        assert clocks_of.wake(clock, now) == ((), None)
        assert clock.wakes_at is None or clock.wakes_at > now


@thrifty
@given(st.lists(st.integers(0, 4 * 1440), min_size=1, max_size=8))
def test_happenings_folded_twice_change_nothing(minutes: list[int]) -> None:
    clock = running()
    happened: list[Happening] = []
    for minute in sorted(minutes):
        now = NINE + timedelta(minutes=minute)
        new, _ = clocks_of.wake(clock, now)
        happened += new
        clock = replayed(clock, new)

    assert replayed(clock, happened) == clock


@thrifty
@given(
    st.lists(st.tuples(st.integers(0, 6 * 1440), st.booleans()), max_size=4, unique_by=lambda each: each[0]),
    st.lists(st.integers(1, 6 * 1440), max_size=3, unique=True),
)
def test_sweeping_every_minute_or_once_at_the_end_finds_the_same_clocks_and_breaches(
    touches: list[tuple[int, bool]], stages: list[int]
) -> None:
    eager, lazy = Story(TIMING), Story(TIMING)
    half = timedelta(seconds=30)
    todo = [(NINE + timedelta(minutes=minute) + half, by_machine) for minute, by_machine in touches]
    moves = [(NINE + timedelta(minutes=minute) + half + SECOND, None) for minute in stages]
    end = NINE + timedelta(days=20)

    for at, by_machine in sorted([*todo, *moves], key=lambda each: each[0]):
        eager.sweep_every_minute(at)
        for story in (eager, lazy):
            if by_machine is None:
                story.advance(f"阶段{at}", at)
            else:
                story.touch(call(at) if by_machine else self_reported(at, recorded_at=at), at)
    eager.sweep_every_minute(end)
    lazy.sweep(end)

    assert states(eager) == states(lazy)
    assert sorted(facts_of(eager.events, "clock.breached")) == sorted(facts_of(lazy.events, "clock.breached"))


def test_a_late_sweep_records_every_level_and_tells_the_highest_only() -> None:
    story = Story(TIMING)

    story.sweep(NINE + timedelta(days=2))

    assert story.clock("first_response").level == 3
    assert [(notice.clock.rule, notice.level, notice.to) for notice in story.told] == [
        ("first_response", 3, "director")
    ]
    assert facts_of(story.events, "clock.warned") == []


def test_a_warning_comes_once_and_a_breach_supersedes_it() -> None:
    story = Story(TIMING)

    for minute in range(85, 125):
        story.sweep(NINE + timedelta(minutes=minute))

    assert [(notice.level, notice.to) for notice in story.told] == [(WARNING, "owner"), (1, "owner")]


def test_a_dormant_clock_wakes_nothing() -> None:
    clock = running(dormant=True)

    assert clock.wakes_at is None
    assert clocks_of.wake(clock, NINE + timedelta(days=30)) == ((), None)


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("late", "state"), [(-SECOND, "met"), (timedelta(0), "met"), (SECOND, "breached")])
def test_the_due_instant_itself_is_in_time(late: timedelta, state: str) -> None:
    story = Story(TIMING)

    story.touch(call(ELEVEN + late), ELEVEN + late)

    assert story.clock("first_response").state == state


def test_a_late_answer_before_the_sweep_came_by_is_still_a_breach_on_the_trail() -> None:
    story = Story(TIMING)
    answered_at = NINE + timedelta(hours=5)  # 14:00, after the second level at noon

    story.touch(call(answered_at), answered_at)

    clock = story.clock("first_response")
    assert (clock.state, clock.level, clock.breached_at, clock.met_at) == ("breached", 0, ELEVEN, answered_at)
    assert facts_of(story.events, "clock.escalated") == []
    assert facts_of(story.events, "clock.breached") == ["2026-01-26T03:00:00.000Z"]
    assert clock.wakes_at is None


def test_an_answer_in_time_that_we_learn_late_corrects_the_breach() -> None:
    story = Story(TIMING)
    story.sweep(NINE + timedelta(hours=5))
    was_late = story.lead.risk

    story.touch(call(NINE + timedelta(hours=1)), NINE + timedelta(hours=6))

    clock = story.clock("first_response")
    assert (was_late, story.lead.risk) == (("超时未响应",), ())
    assert (clock.state, clock.breached_at, clock.met_at) == ("met", None, NINE + timedelta(hours=1))
    assert [event.facts["rule"] for event in story.events if event.kind == "alert.retracted"] == ["first_response"]


def test_an_answer_in_time_corrects_a_breach_that_was_already_answered_late() -> None:
    story = Story(TIMING)
    story.sweep(NINE + timedelta(hours=3))
    story.touch(call(NINE + timedelta(hours=4)), NINE + timedelta(hours=4))

    story.touch(call(NINE + timedelta(hours=1)), NINE + timedelta(hours=6))

    clock = story.clock("first_response")
    assert (clock.state, clock.met_at) == ("met", NINE + timedelta(hours=1))
    assert len(facts_of(story.events, "alert.retracted")) == 1


def test_a_late_answer_leaves_the_clock_breached_and_wakes_nobody_any_more() -> None:
    story = Story(TIMING)
    story.sweep(ELEVEN)

    story.touch(call(ELEVEN + SECOND), ELEVEN + SECOND)
    story.sweep(NINE + timedelta(days=3))

    clock = story.clock("first_response")
    assert (clock.state, clock.level, clock.met_at) == ("breached", 1, ELEVEN + SECOND)
    assert [notice.clock.rule for notice in story.told] == ["first_response", "second_touch"]


def test_what_a_person_types_in_never_corrects_a_breach() -> None:
    story = Story(TIMING)
    story.sweep(ELEVEN)
    now = ELEVEN + timedelta(minutes=10)

    story.touch(self_reported(NINE + timedelta(minutes=5), recorded_at=now), now)

    clock = story.clock("first_response")
    assert (clock.state, clock.met_at) == ("breached", now)
    assert facts_of(story.events, "alert.retracted") == []


def test_a_short_call_answers_nothing() -> None:
    story = Story(TIMING)

    story.touch(call(NINE + timedelta(minutes=5), talk_s=29), NINE + timedelta(minutes=6))

    assert story.clock("first_response").state == "running"
    assert story.lead.touches == 0


def test_a_long_call_that_brought_the_lead_in_answers_it() -> None:
    story = Story(TIMING)  # its clock starts at most fifteen minutes before we heard of it

    story.touch(call(NINE - timedelta(minutes=40)), NINE)

    clock = story.clock("first_response")
    assert (clock.state, clock.met_at) == ("met", NINE)
    assert story.clock("second_touch").started_at == NINE


def test_it_does_not_matter_in_which_order_two_calls_are_learned() -> None:
    in_order, swapped = Story(TIMING), Story(TIMING)
    now = NINE + timedelta(hours=1)
    first, second = call(NINE + timedelta(minutes=10)), call(NINE + timedelta(minutes=20))

    for story, calls in ((in_order, (first, second)), (swapped, (second, first))):
        for each in calls:
            story.touch(each, now)

    known = [
        sorted(
            (each.rule, each.episode, each.state, each.started_at, each.due_at, each.met_at)
            for each in story.lead.clocks
        )
        for story in (in_order, swapped)
    ]
    assert known[0] == known[1]
    assert swapped.lead == fold(swapped.events)


def test_a_first_call_that_is_learned_late_leaves_a_second_touch_that_is_late_already_as_it_is() -> None:
    story = Story(TIMING)
    story.touch(call(NINE + timedelta(minutes=10), talk_s=65), NINE + timedelta(minutes=10))
    late = NINE + timedelta(hours=73)
    story.sweep(late)
    before = story.clock("second_touch")

    story.touch(call(NINE + timedelta(minutes=5)), late)

    after = story.clock("second_touch")
    assert (after.started_at, after.due_at, after.state) == (before.started_at, before.due_at, "met")


def test_a_cancelled_clock_keeps_silent_whatever_comes_later() -> None:
    clock = running(state="cancelled")

    met, corrected = clocks_of.meet([clock], "touch", NINE + timedelta(hours=1))

    assert (met, corrected) == ((), ())
    assert clocks_of.wake(clock, NINE + timedelta(days=9)) == ((), None)
    assert clocks_of.apply(clock, "clock.breached", clock.due_at, {}).state == "cancelled"


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_breach_level_and_answer_fold_to_the_same_clock_in_any_order(order: tuple[int, ...]) -> None:
    in_time = Happening("clock.met", NINE + timedelta(hours=1), "", {})
    late = Happening("clock.met", NINE + timedelta(hours=4), "", {})
    breach = Happening("clock.breached", ELEVEN, "", {})
    told = Happening("clock.escalated", ELEVEN, "", {"level": 1})

    corrected = replayed(running(), [[in_time, breach, told][place] for place in order])
    missed = replayed(running(), [[late, breach, told][place] for place in order])

    assert corrected == running(state="met", met_at=in_time.occurred_at, level=1)
    assert missed == running(state="breached", met_at=late.occurred_at, level=1, breached_at=ELEVEN)


# -- the second touch and the stages ---------------------------------------------------------------


def test_the_first_touch_does_not_answer_the_second() -> None:
    story = Story(TIMING)

    story.touch(call(NINE + timedelta(minutes=5)), NINE + timedelta(minutes=6))

    assert story.clock("second_touch").state == "running"


def test_only_the_first_touch_starts_a_second_touch_clock() -> None:
    story = Story(TIMING)

    for hour in (1, 5, 30):
        story.touch(call(NINE + timedelta(hours=hour)), NINE + timedelta(hours=hour))

    assert [each.episode for each in story.lead.clocks if each.rule == "second_touch"] == [1]
    assert story.clock("second_touch").met_at == NINE + timedelta(hours=5)


def test_a_second_touch_overdue_at_once_is_due_one_business_hour_from_now() -> None:
    story = Story(TIMING)
    now = NINE + timedelta(days=4)  # Friday at nine: the 72 hours ran out on Thursday

    story.touch(call(NINE + timedelta(minutes=5)), now)

    clock = story.clock("second_touch")
    assert clock.due_at == now + timedelta(hours=1)
    assert clock.warn_at is None
    assert clock.wakes_at == clock.due_at


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_calls_learned_in_any_order_come_to_the_same(order: tuple[int, ...]) -> None:
    calls = [call(NINE + timedelta(hours=hours)) for hours in (1, 6, 26)]
    now = NINE + timedelta(hours=30)
    story = Story(TIMING)

    for place in order:
        story.touch(calls[place], now)

    assert {each.rule: each.state for each in story.lead.clocks} == {
        "first_response": "met",
        "second_touch": "met",
        "no_progress": "running",
    }
    assert story.clock("first_response").met_at == NINE + timedelta(hours=1)
    assert story.lead.first_touch_at == NINE + timedelta(hours=1)
    assert story.lead.last_touch_at == NINE + timedelta(hours=26)


def test_a_breached_second_touch_is_corrected_when_the_touch_before_it_comes_to_light() -> None:
    story = Story(TIMING)
    story.touch(call(NINE + timedelta(hours=6)), NINE + timedelta(hours=6))
    story.sweep(NINE + timedelta(days=4))
    late = story.clock("second_touch").state

    story.touch(call(NINE + timedelta(hours=1)), NINE + timedelta(days=4, hours=1))

    assert (late, story.clock("second_touch").state) == ("breached", "met")
    assert "second_touch" in [event.facts["rule"] for event in story.events if event.kind == "alert.retracted"]


def test_a_call_that_was_also_typed_in_is_one_touch_and_no_second() -> None:
    story = Story(TIMING)
    talked_at = NINE + timedelta(minutes=20)
    story.touch(self_reported(talked_at, recorded_at=NINE + timedelta(minutes=25)), NINE + timedelta(minutes=25))

    story.touch(call(talked_at), NINE + timedelta(minutes=30))  # the call system's record of the same call

    assert story.clock("second_touch").state == "running"
    assert story.clock("first_response").met_at == talked_at


def test_a_stage_change_meets_the_old_stage_and_starts_the_new() -> None:
    story = Story(TIMING)

    story.advance("已联系", NINE + timedelta(days=1))
    story.advance("已报价", NINE + timedelta(days=1))  # within the same millisecond

    clocks = [each for each in story.lead.clocks if each.rule == "no_progress"]
    assert [(each.episode, each.state) for each in clocks] == [(1, "met"), (2, "met"), (3, "running")]


def test_a_touch_does_not_answer_for_progress_nor_progress_for_a_touch() -> None:
    story = Story(TIMING)

    story.advance("已联系", NINE + timedelta(minutes=5))
    after_stage = story.clock("first_response").state
    story.touch(call(NINE + timedelta(minutes=10)), NINE + timedelta(minutes=10))

    assert after_stage == "running"
    assert story.clock("no_progress", 2).state == "running"


def test_closing_cancels_what_is_still_owed() -> None:
    clocks = [running(), running(episode=2, state="met", met_at=NINE), running(episode=3, state="cancelled")]

    cancelled = clocks_of.cancel(clocks, NINE + timedelta(minutes=5), "won")

    assert [(each.kind, each.facts["episode"]) for each in cancelled] == [("clock.cancelled", 1)]


def test_closing_before_the_sweep_came_by_keeps_the_breach() -> None:
    cancelled = clocks_of.cancel([running()], ELEVEN + timedelta(minutes=5), "lost")

    after = replayed(running(), cancelled)

    assert [each.kind for each in cancelled] == ["clock.breached", "clock.cancelled"]
    assert (after.state, after.breached_at, after.wakes_at) == ("cancelled", ELEVEN, None)


def test_a_policy_of_seconds_runs_like_one_of_hours() -> None:
    always = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    body = policy_body(calendar={"tz": "Asia/Shanghai", "hours": always}, rules=[rule(budget="PT10S", warn_at=None)])
    story = Story(timing(**body), NINE)

    story.sweep(NINE + timedelta(seconds=9))
    early = story.clock("first_response").state
    story.sweep(NINE + timedelta(seconds=10))

    assert (early, story.clock("first_response").state) == ("running", "breached")
    assert replace(story.told[0].clock, state="running").due_at == NINE + timedelta(seconds=10)
