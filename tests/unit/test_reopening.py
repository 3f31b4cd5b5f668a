"""Reopened leads, and clocks that are counted again by a calendar which was published later."""

from datetime import timedelta

from leadtrail.domain import lead as leads_of
from leadtrail.domain.worktime import WorkCalendar
from tests.builders import NINE, NO_PROGRESS, OFFICE, SECOND_TOUCH, Story, call, rule, timing

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_a_reopened_lead_owes_what_it_owed_and_the_closed_span_does_not_count() -> None:
    story = Story(timing())
    story.close(NINE + HOUR)

    story.reopen(NINE + DAY)

    again = story.clock("first_response", 2)
    assert (again.state, again.due_at) == ("running", NINE + DAY + HOUR)
    assert again.pauses == ((NINE + HOUR, NINE + DAY),)
    assert story.clock("first_response").state == "cancelled"
    assert story.lead.is_open


def test_a_lead_that_was_late_when_it_closed_is_late_when_it_reopens_and_nobody_is_told_twice() -> None:
    story = Story(timing())
    story.sweep(NINE + 2 * HOUR)
    story.close(NINE + 2 * HOUR + timedelta(minutes=30))

    story.reopen(NINE + DAY)
    story.sweep(NINE + DAY)
    told_at_once = list(story.told)
    story.sweep(NINE + DAY + timedelta(minutes=30))

    again = story.clock("first_response", 2)
    assert again.state == "breached"
    assert [notice.to for notice in told_at_once] == ["owner"]
    assert [notice.to for notice in story.told] == ["owner", "manager"]


def test_what_was_answered_before_the_end_is_not_asked_again() -> None:
    story = Story(timing())
    story.touch(call(NINE + timedelta(minutes=20)), NINE + timedelta(minutes=21))
    story.close(NINE + 5 * HOUR)

    story.reopen(NINE + DAY)

    open_rules = sorted(clock.rule for clock in story.lead.clocks if clock.is_open)
    assert open_rules == ["no_progress", "second_touch"]


def test_a_lead_can_be_closed_and_reopened_again_and_again_without_winning_time() -> None:
    story = Story(timing())
    at = NINE + HOUR
    for _ in range(3):
        story.close(at)
        at += DAY
        story.reopen(at)

    last = story.clock("first_response", 4)
    assert last.due_at == at + HOUR
    assert story.lead == leads_of.fold(story.events)


def test_a_rule_of_ones_own_may_start_with_the_reopening() -> None:
    greeting = rule(name="welcome_back", starts="lead.reopened", budget="PT1H")
    story = Story(timing(rules=[rule(), SECOND_TOUCH, NO_PROGRESS, greeting]))
    story.touch(call(NINE + timedelta(minutes=20)), NINE + timedelta(minutes=21))
    story.close(NINE + HOUR)

    story.reopen(NINE + DAY)

    assert story.clock("welcome_back").due_at == NINE + DAY + HOUR


GUESSED = {"tz": "Asia/Shanghai", "hours": OFFICE, "published": [2025]}
MONDAY_OFF = WorkCalendar.from_dict(GUESSED | {"holidays": ["2026-01-26"], "published": [2025, 2026]})


def test_a_year_that_is_published_later_moves_a_running_clock() -> None:
    story = Story(timing(calendar=GUESSED))

    story.recount(MONDAY_OFF, NINE + HOUR)

    clock = story.clock("first_response")
    assert (clock.due_at, clock.certainty, clock.state) == (NINE + DAY + 2 * HOUR, "published", "running")
    [rebased] = [event for event in story.events if event.kind == "clock.rebased" and event.facts["rule"] == clock.rule]
    assert (rebased.facts["why"], rebased.facts["due_before"]) == ("calendar", "2026-01-26T03:00:00.000Z")


def test_a_breach_that_the_published_year_proves_wrong_is_retracted_and_the_clock_goes_on() -> None:
    story = Story(timing(calendar=GUESSED))
    story.sweep(NINE + 2 * HOUR)

    story.recount(MONDAY_OFF, NINE + 5 * HOUR)

    wrong, again = story.clock("first_response"), story.clock("first_response", 2)
    assert (wrong.state, wrong.breached_at) == ("cancelled", None)
    assert (again.state, again.due_at) == ("running", NINE + DAY + 2 * HOUR)
    assert [event.facts["answered_by"] for event in story.events if event.kind == "alert.retracted"] == ["calendar"]
    assert story.lead.risk == ()


def test_an_answer_that_only_seemed_late_is_judged_again() -> None:
    story = Story(timing(calendar=GUESSED))
    story.touch(call(NINE + 4 * HOUR), NINE + 4 * HOUR)
    assert story.clock("first_response").state == "breached"

    story.recount(MONDAY_OFF, NINE + 5 * HOUR)

    clock = story.clock("first_response")
    assert (clock.state, clock.breached_at) == ("met", None)
    assert story.lead == leads_of.fold(story.events)


def test_a_breach_that_the_published_year_leaves_a_breach_stays_as_it_was() -> None:
    story = Story(timing(calendar=GUESSED))
    story.sweep(NINE + 2 * HOUR)
    published = WorkCalendar.from_dict(GUESSED | {"published": [2025, 2026]})

    story.recount(published, NINE + 5 * HOUR)

    assert story.clock("first_response").state == "breached"
    assert not [event for event in story.events if event.kind == "alert.retracted"]


def test_what_a_make_up_workday_moves_into_the_past_is_due_one_business_hour_from_now() -> None:
    saturday = NINE + 5 * DAY
    story = Story(timing(calendar=GUESSED), saturday)
    assert story.clock("first_response").due_at == NINE + 7 * DAY + 2 * HOUR
    makeup = WorkCalendar.from_dict(
        GUESSED | {"date_hours": {"2026-01-31": [["09:00", "18:00"]]}, "published": [2025, 2026]}
    )

    story.recount(makeup, saturday + 4 * HOUR)

    assert story.clock("first_response").due_at == saturday + 5 * HOUR


def test_an_answer_in_time_that_is_learned_after_the_end_takes_the_breach_back() -> None:
    story = Story(timing())
    story.sweep(NINE + 2 * HOUR)
    story.close(NINE + 3 * HOUR)

    story.touch(call(NINE + HOUR), NINE + 4 * HOUR)

    clock = story.clock("first_response")
    assert (clock.state, clock.breached_at) == ("met", None)
    assert [event.facts["rule"] for event in story.events if event.kind == "alert.retracted"] == ["first_response"]
    assert "second_touch" not in [each.rule for each in story.lead.clocks]


def test_after_the_reopening_too_the_episode_that_was_told_is_taken_back() -> None:
    story = Story(timing())
    story.sweep(NINE + 2 * HOUR)
    story.close(NINE + 3 * HOUR)
    story.reopen(NINE + 4 * HOUR)

    story.touch(call(NINE + HOUR), NINE + 4 * HOUR)

    states = {
        each.episode: (each.state, each.breached_at) for each in story.lead.clocks if each.rule == "first_response"
    }
    assert states == {1: ("met", None), 2: ("met", None)}
    retracted = [event.facts["episode"] for event in story.events if event.kind == "alert.retracted"]
    assert sorted(retracted) == [1, 2]
