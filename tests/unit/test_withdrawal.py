from datetime import timedelta

import pytest

from leadtrail.domain import lead as leads_of
from leadtrail.domain.errors import InvalidInputError
from tests.builders import NINE, Story, call, rule, self_reported, timing

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def seq_of_touch(story: Story, number: int = 1) -> int:
    return [event.seq for event in story.events if event.kind == "touch.recorded"][number - 1]


def test_a_withdrawn_touch_answers_nothing_and_the_clock_is_owed_again() -> None:
    story = Story(timing())
    story.touch(self_reported(NINE + 10 * MINUTE, recorded_at=NINE + 10 * MINUTE), NINE + 10 * MINUTE)

    story.withdraw(seq_of_touch(story), NINE + 20 * MINUTE)

    assert story.clock("first_response").state == "running"
    assert story.clock("second_touch").state == "cancelled"
    assert (story.lead.touches, story.lead.first_touch_at) == (0, None)
    assert story.lead == leads_of.fold(story.events)


def test_after_its_due_time_the_clock_is_late_at_once_and_whoever_must_know_is_told() -> None:
    story = Story(timing())
    story.touch(call(NINE + 10 * MINUTE), NINE + 10 * MINUTE)

    story.withdraw(seq_of_touch(story), NINE + 4 * HOUR)
    story.sweep(NINE + 4 * HOUR)

    clock = story.clock("first_response")
    assert (clock.state, clock.breached_at) == ("breached", NINE + 2 * HOUR)
    assert [notice.to for notice in story.told] == ["manager"]


def test_what_had_been_told_before_the_touch_is_not_told_again_after_it_is_withdrawn() -> None:
    story = Story(timing())
    story.sweep(NINE + 2 * HOUR)
    story.touch(call(NINE + 10 * MINUTE), NINE + 2 * HOUR + 5 * MINUTE)  # learned late: the breach was none
    assert story.clock("first_response").state == "met"

    story.withdraw(seq_of_touch(story), NINE + 2 * HOUR + 10 * MINUTE)
    story.sweep(NINE + 2 * HOUR + 11 * MINUTE)

    assert story.clock("first_response").state == "breached"
    assert [notice.to for notice in story.told] == ["owner"]


def test_the_next_touch_answers_in_the_place_of_the_withdrawn_one() -> None:
    story = Story(timing())
    story.touch(call(NINE + 10 * MINUTE), NINE + 10 * MINUTE)
    story.touch(call(NINE + 90 * MINUTE), NINE + 90 * MINUTE)

    story.withdraw(seq_of_touch(story, 1), NINE + 3 * HOUR)

    first = story.clock("first_response")
    assert (first.state, first.met_at) == ("met", NINE + 90 * MINUTE)
    again = story.clock("second_touch", 2)
    assert (again.state, again.started_at) == ("running", NINE + 90 * MINUTE)
    assert story.clock("second_touch").state == "cancelled"
    assert (story.lead.touches, story.lead.first_touch_at) == (1, NINE + 90 * MINUTE)


def test_a_withdrawn_second_touch_leaves_the_first_as_it_is() -> None:
    story = Story(timing())
    story.touch(call(NINE + 10 * MINUTE), NINE + 10 * MINUTE)
    story.touch(call(NINE + 5 * HOUR), NINE + 5 * HOUR)
    assert story.clock("second_touch").state == "met"

    story.withdraw(seq_of_touch(story, 2), NINE + 6 * HOUR)

    assert story.clock("first_response").met_at == NINE + 10 * MINUTE
    assert story.clock("second_touch").state == "running"
    assert len(story.lead.clocks) == 3


def test_of_three_touches_the_third_answers_what_the_second_had() -> None:
    story = Story(timing())
    for hours in (1, 5, 9):
        story.touch(call(NINE + hours * HOUR), NINE + hours * HOUR)

    story.withdraw(seq_of_touch(story, 2), NINE + 10 * HOUR)

    assert story.clock("second_touch").met_at == NINE + 9 * HOUR


def test_a_touch_that_answered_nothing_is_withdrawn_and_nothing_follows() -> None:
    story = Story(timing())
    story.touch(call(NINE + 10 * MINUTE, talk_s=3), NINE + 10 * MINUTE)

    story.withdraw(seq_of_touch(story), NINE + HOUR)

    assert [event.kind for event in story.events][-1] == "touch.withdrawn"
    assert story.clock("first_response").state == "running"


def test_a_late_answer_that_is_withdrawn_leaves_the_breach() -> None:
    story = Story(timing())
    story.touch(call(NINE + 5 * HOUR), NINE + 5 * HOUR)
    assert story.clock("first_response").state == "breached"

    story.withdraw(seq_of_touch(story), NINE + 6 * HOUR)

    assert story.clock("first_response").is_late


def test_on_a_closed_lead_what_is_owed_again_ends_with_the_lead() -> None:
    story = Story(timing())
    story.touch(call(NINE + 10 * MINUTE), NINE + 10 * MINUTE)
    story.close(NINE + HOUR)

    story.withdraw(seq_of_touch(story), NINE + 3 * HOUR)

    assert {clock.state for clock in story.lead.clocks} == {"cancelled"}
    assert not [clock for clock in story.lead.clocks if clock.breached_at]


def test_a_touch_is_withdrawn_once_and_only_a_touch_can_be() -> None:
    story = Story(timing())
    story.touch(call(NINE + 10 * MINUTE), NINE + 10 * MINUTE)
    story.withdraw(seq_of_touch(story), NINE + HOUR)

    for seq in (seq_of_touch(story), 1, 999, 0):
        with pytest.raises(InvalidInputError):
            story.withdraw(seq, NINE + 2 * HOUR)


def test_an_older_call_that_is_learned_after_the_withdrawal_answers_as_ever() -> None:
    story = Story(timing())
    story.touch(call(NINE + 30 * MINUTE), NINE + 30 * MINUTE)
    story.withdraw(seq_of_touch(story), NINE + HOUR)

    story.touch(call(NINE + 20 * MINUTE), NINE + 3 * HOUR)

    assert (story.clock("first_response").state, story.lead.first_touch_at) == ("met", NINE + 20 * MINUTE)
    assert story.clock("second_touch", 2).started_at == NINE + 20 * MINUTE
    assert story.lead == leads_of.fold(story.events)


def test_a_withdrawn_touch_gives_back_the_promise_that_it_had_superseded() -> None:
    again = rule(name="meet_again", starts="touch.every", meets=["touch:meeting"], budget="PT4H")
    story = Story(timing(rules=[rule(), again]))
    story.touch(call(NINE + 10 * MINUTE), NINE + 10 * MINUTE)
    story.touch(call(NINE + 20 * MINUTE), NINE + 20 * MINUTE)
    assert [story.clock("meet_again", episode).state for episode in (1, 2)] == ["cancelled", "running"]

    story.withdraw(seq_of_touch(story, 2), NINE + 30 * MINUTE)

    assert [story.clock("meet_again", episode).state for episode in (1, 2)] == ["running", "cancelled"]
