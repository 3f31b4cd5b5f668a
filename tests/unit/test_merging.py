"""Merging and splitting as rules: who wins, whose touches answer what, and what is left when it is undone."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leadtrail.adapters.projection import lead_from_json, lead_to_json
from leadtrail.domain import clock as clocks_of
from leadtrail.domain import lead as leads_of
from leadtrail.domain import lifecycle, merging, trail
from leadtrail.domain.clock import Clock
from leadtrail.domain.errors import AlreadyMergedError, InvalidInputError, LeadClosedError, NotMergedError
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import Lead, NeedsTrailError
from leadtrail.domain.merging import Instruction, Told
from leadtrail.domain.trail import GENESIS, Event, Happening
from tests.builders import NINE, SALT, call, happening, self_reported, timing

TIMING = timing()
ZERO = timedelta(0)
THRIFTY = settings(max_examples=60, deadline=None)


def at(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


class Folder:
    """One lead while it lives, under an id of its own, kept as the store keeps it."""

    def __init__(self, lead_id: str, received_at: datetime = NINE, *, source: str = "standard") -> None:
        self.lead_id = lead_id
        self.events: tuple[Event, ...] = ()
        self.known: Lead | None = None
        happenings = lifecycle.receive(
            source=source,
            person=f"P-{lead_id}",
            team="huadong",
            owner="rep-li",
            actor=f"source:{source}",
            receipt="r",
            occurred_at=received_at,
            received_at=received_at,
            signed=True,
            timing=TIMING,
        )
        self.write(happenings, received_at)

    @property
    def lead(self) -> Lead:
        assert self.known is not None
        return self.known

    @property
    def told(self) -> Told:
        return Told(self.lead, self.events)

    def clock(self, rule: str, episode: int = 1) -> Clock:
        found = self.lead.clock(rule, episode)
        assert found is not None
        return found

    def write(self, happenings: tuple[Happening, ...], now: datetime) -> None:
        seq, head = (self.known.seq, self.known.head) if self.known else (0, GENESIS)
        new = trail.append(happenings, lead_id=self.lead_id, seq=seq, head=head, recorded_at=now, salt=SALT)
        self.events = (*self.events, *new)
        try:
            self.known = leads_of.evolve(self.known, new)
        except NeedsTrailError:
            self.known = leads_of.fold(self.events)

    def touch(self, touched_at: datetime, *, now: datetime | None = None) -> None:
        now = now or touched_at
        self.write(lifecycle.touch(self.lead, call(touched_at), timing=TIMING, now=now), now)

    def breach(self, rule: str) -> None:
        due_at = self.clock(rule).due_at
        self.write((Happening("clock.breached", due_at, "system:clock", {"rule": rule, "episode": 1}),), due_at)

    def check(self) -> None:
        assert trail.verify(self.events, salt=SALT) is None
        assert leads_of.fold(self.events) == self.lead
        assert lead_from_json(lead_to_json(self.lead)) == self.lead

    def sweep(self, now: datetime) -> list[tuple[str, int, int]]:
        """Wake what is due, and return who is told: rule, episode, level."""
        woken = [clocks_of.wake(clock, now) for clock in self.lead.clocks]
        happenings = tuple(each for happened, _ in woken for each in happened)
        if happenings:
            self.write(happenings, now)
        return [(told.clock.rule, told.clock.episode, told.level) for _, told in woken if told]


def instruction(now: datetime) -> Instruction:
    return Instruction("rep:mgr-wang", now, "客户来电确认是同一个人")


def merge(winner: Folder, loser: Folder, now: datetime) -> None:
    done = merging.merge(winner.lead, loser.told, instruction(now), identities=1, timing=TIMING)
    winner.write(done.winner, now)
    loser.write(done.loser, now)


def split(winner: Folder, loser: Folder, now: datetime) -> None:
    done = merging.split(winner.told, loser.told, instruction(now), timing=TIMING, pinned=lambda _: TIMING)
    winner.write(done.winner, now)
    loser.write(done.loser, now)


def merged() -> tuple[Folder, Folder]:
    winner, loser = Folder("A"), Folder("B", at(5), source="typeform")
    merge(winner, loser, at(30))
    return winner, loser


def test_the_older_lead_wins_unless_the_other_is_named() -> None:
    older, younger = Folder("A").lead, Folder("B").lead

    assert merging.ranked(younger, older) == (older, younger)
    assert merging.ranked(older, younger, "B") == (younger, older)


def test_only_two_open_leads_are_merged() -> None:
    winner, loser = merged()
    closed, third = Folder("C"), Folder("D")
    closed.write((happening("lead.closed", at(1), outcome="lost", stage="输单"),), at(1))

    with pytest.raises(InvalidInputError, match="other"):
        merging.ranked(winner.lead, winner.lead)
    with pytest.raises(InvalidInputError, match="winner"):
        merging.ranked(winner.lead, third.lead, "E")
    with pytest.raises(AlreadyMergedError) as refused:
        merging.ranked(loser.lead, third.lead)
    with pytest.raises(LeadClosedError):
        merging.ranked(closed.lead, third.lead)

    assert refused.value.facts == {"lead": "B", "merged_into": "A"}


def test_only_what_was_merged_is_split() -> None:
    winner, loser = merged()
    third = Folder("C")

    assert merging.merged_pair(loser.lead, winner.lead) == (winner.lead, loser.lead)
    with pytest.raises(NotMergedError):
        merging.merged_pair(winner.lead, third.lead)


def test_the_winner_folds_from_its_own_trail_what_the_loser_had_been() -> None:
    winner, loser = Folder("A"), Folder("B", at(5), source="typeform")
    loser.touch(at(10))
    loser.touch(at(20))
    before = loser.lead

    merge(winner, loser, at(30))

    [won] = [event for event in winner.events if event.kind == "lead.merged"]
    assert (won.facts["other"], won.facts["other_seq"], won.facts["other_head"]) == ("B", before.seq, before.head)
    assert [entry.source for entry in winner.lead.sources] == ["standard", "typeform"]
    assert (winner.lead.touches, winner.lead.first_touch_at, winner.lead.last_touch_at) == (2, at(10), at(20))
    assert (loser.lead.status, loser.lead.merged_into) == ("merged", "A")
    assert not [clock for clock in loser.lead.clocks if clock.is_open]
    winner.check()
    loser.check()


def test_a_touch_of_the_loser_answers_the_winner_and_corrects_its_breach() -> None:
    winner, loser = Folder("A"), Folder("B", at(5))
    loser.touch(at(10))
    winner.breach("first_response")

    merge(winner, loser, at(180))

    first = winner.clock("first_response")
    assert (first.state, first.met_at, first.breached_at) == ("met", at(10), None)
    assert [event.facts["rule"] for event in winner.events if event.kind == "alert.retracted"] == ["first_response"]
    winner.check()


def test_the_second_touch_that_the_loser_owed_is_owed_by_the_winner() -> None:
    winner, loser = Folder("A"), Folder("B", at(5))
    loser.touch(at(10))

    merge(winner, loser, at(30))

    carried, left = winner.clock("second_touch"), loser.clock("second_touch")
    assert (carried.state, carried.started_at, carried.due_at) == ("running", at(10), left.due_at)
    assert left.state == "cancelled"


def test_a_touch_of_the_loser_may_be_the_winners_second() -> None:
    winner, loser = Folder("A"), Folder("B", at(5))
    winner.touch(at(7))
    loser.touch(at(10))

    merge(winner, loser, at(30))

    assert (winner.clock("second_touch").state, winner.clock("second_touch").met_at) == ("met", at(10))
    assert winner.clock("first_response").met_at == at(7)


def test_an_earlier_touch_of_the_loser_makes_a_second_of_the_winners_first() -> None:
    winner, loser = Folder("A"), Folder("B", at(1))
    loser.touch(at(3))
    winner.touch(at(7))

    merge(winner, loser, at(30))

    assert winner.clock("first_response").met_at == at(3)
    assert (winner.clock("second_touch").state, winner.clock("second_touch").met_at) == ("met", at(7))


def test_what_was_reached_long_before_the_winner_came_answers_nothing_of_it() -> None:
    winner, loser = Folder("B", at(200)), Folder("A")
    loser.touch(at(10))

    merge(winner, loser, at(210))

    assert winner.clock("first_response").state == "running"
    assert winner.lead.touches == 1


def test_a_split_goes_on_with_what_the_loser_owed_as_new_episodes() -> None:
    winner, loser = Folder("A"), Folder("B", at(5))
    merge(winner, loser, at(30))

    split(winner, loser, at(60))

    assert loser.lead.is_open
    assert loser.lead.merged_into is None
    assert [(clock.key, clock.state) for clock in loser.lead.clocks] == [
        ("first_response#1", "cancelled"),
        ("no_progress#1", "cancelled"),
        ("first_response#2", "running"),
        ("no_progress#2", "running"),
    ]
    first, again = loser.clock("first_response"), loser.clock("first_response", 2)
    assert (again.started_at, again.pauses) == (at(5), ((at(30), at(60)),))
    assert again.due_at == first.due_at + timedelta(minutes=30)
    [event] = [each for each in loser.events if each.kind == "clock.started" and "split" in each.facts][:1]
    assert event.facts["pauses"] == [[to_text(at(30)), to_text(at(60))]]
    assert loser.events[event.facts["split"] - 1].kind == "lead.split"
    loser.check()


def test_a_second_touch_is_owed_72_hours_after_the_first_the_merged_time_apart() -> None:
    winner, loser = Folder("A"), Folder("B", at(5))
    loser.touch(at(10))
    merge(winner, loser, at(30))

    split(winner, loser, at(30) + timedelta(days=2, hours=3))

    again = loser.clock("second_touch", 2)
    assert again.started_at == at(10)
    assert again.due_at == at(10) + timedelta(hours=72 + 51)


def test_a_merge_and_a_split_over_night_win_no_working_time() -> None:
    winner, loser = Folder("A"), Folder("B", at(0))
    evening, morning = at(9 * 60 + 30), at(23 * 60)
    merge(winner, loser, evening)

    split(winner, loser, morning)

    for rule in ("first_response", "no_progress"):
        assert loser.clock(rule, 2).due_at == loser.clock(rule).due_at


def test_merging_and_splitting_again_and_again_leaves_the_time_that_was_left() -> None:
    winner, loser = Folder("A"), Folder("B", at(0))

    for minute in range(10, 60, 10):  # ten minutes merged, none between but for the last five
        merge(winner, loser, at(minute))
        split(winner, loser, at(minute + 10))

    again = loser.clock("first_response", 6)
    assert again.pauses == ((at(10), at(60)),)
    assert again.due_at == at(120 + 50)
    loser.check()


def test_what_was_breached_comes_back_breached_and_nobody_is_told_twice() -> None:
    winner, loser = Folder("A"), Folder("B", at(0))
    told = [loser.sweep(at(minute)) for minute in (90, 120, 150)]
    merge(winner, loser, at(150))
    split(winner, loser, at(160))
    at_once = loser.clock("first_response", 2)

    again = [loser.sweep(at(minute)) for minute in (160, 279, 280)]

    assert told == [[("first_response", 1, 0)], [("first_response", 1, 1)], []]
    assert (at_once.is_late, at_once.breached_at, at_once.level) == (True, at(120), 1)
    assert again == [[], [], [("first_response", 2, 2)]]  # an hour: 30 minutes, 20 more, lunch, ten
    assert loser.clock("first_response", 2).steps[1].at == at(280)
    loser.check()


def test_a_breach_of_which_nobody_had_been_told_is_told_after_the_split() -> None:
    winner, loser = Folder("A"), Folder("B", at(0))
    merge(winner, loser, at(150))
    split(winner, loser, at(160))
    at_once = loser.clock("first_response", 2)

    told = loser.sweep(at(161))

    assert (at_once.is_late, at_once.level) == (True, 0)
    assert told == [("first_response", 2, 1)]


def test_a_warning_is_given_once_and_the_breach_comes_at_its_time() -> None:
    winner, loser = Folder("A"), Folder("B", at(0))
    warned = loser.sweep(at(95))
    merge(winner, loser, at(100))
    split(winner, loser, at(110))

    told = [loser.sweep(at(minute)) for minute in (111, 129, 130)]

    assert warned == [("first_response", 1, 0)]
    assert told == [[], [], [("first_response", 2, 1)]]


def test_a_warning_that_had_not_come_yet_comes_later_by_the_merged_time() -> None:
    winner, loser = Folder("A"), Folder("B", at(0))
    merge(winner, loser, at(80))
    split(winner, loser, at(100))

    told = [loser.sweep(at(minute)) for minute in (109, 110)]

    assert told == [[], [("first_response", 2, 0)]]


def test_of_an_hour_of_grace_is_left_what_was_left() -> None:
    winner, loser = Folder("A"), Folder("B", at(0))
    days = 4 * 24 * 60
    loser.touch(at(10), now=at(days))  # learned on Friday: the second touch was due on Thursday
    merge(winner, loser, at(days + 40))

    split(winner, loser, at(days + 60))

    assert loser.clock("second_touch").due_at == at(days + 60)
    assert loser.clock("second_touch", 2).due_at == at(days + 80)
    loser.check()


def test_what_came_back_is_answered_by_a_touch_of_before_that_we_learn_late() -> None:
    winner, loser = Folder("A"), Folder("B", at(0))
    loser.sweep(at(121))
    merge(winner, loser, at(150))
    split(winner, loser, at(160))

    loser.touch(at(20), now=at(170))

    again = loser.clock("first_response", 2)
    assert (again.state, again.met_at, again.breached_at) == ("met", at(20), None)
    assert loser.clock("second_touch").due_at == at(20) + timedelta(hours=72)
    loser.check()


def test_what_the_trail_said_of_a_day_before_the_split_it_goes_on_saying() -> None:
    winner, loser = Folder("A"), Folder("B", at(0))
    loser.sweep(at(121))
    merge(winner, loser, at(150))
    moments = [at(minute) for minute in (100, 130, 155)]
    before = [known_by(loser, moment) for moment in moments]

    split(winner, loser, at(160))

    assert [known_by(loser, moment) for moment in moments] == before


def known_by(folder: Folder, moment: datetime) -> tuple[Clock, ...]:
    """Return the clocks of what had happened by then."""
    return leads_of.fold(event for event in folder.events if event.occurred_at <= moment).clocks


def test_a_winner_goes_on_with_a_clock_and_its_pauses() -> None:
    winner, loser, third = Folder("A"), Folder("B", at(5)), Folder("C")
    loser.touch(at(10))
    merge(winner, loser, at(30))
    split(winner, loser, at(60))

    merge(third, loser, at(90))

    carried, left = third.clock("second_touch"), loser.clock("second_touch", 2)
    assert (carried.due_at, carried.pauses) == (left.due_at, left.pauses)


def test_of_a_chain_a_second_touch_that_came_with_the_inner_merge_goes_with_it() -> None:
    outer, middle, inner = Folder("A"), Folder("B", at(1)), Folder("C", at(2))
    inner.touch(at(10))
    merge(middle, inner, at(30))
    merge(outer, middle, at(40))

    split(outer, middle, at(50))
    owed_between = owed(middle)
    split(middle, inner, at(60))

    assert owed_between == [("no_progress", at(1)), ("second_touch", at(10))]
    assert owed(middle) == [("first_response", at(1)), ("no_progress", at(1))]
    assert owed(inner) == [("no_progress", at(2)), ("second_touch", at(10))]
    middle.check()


def test_a_breach_that_the_merge_had_corrected_stands_again_after_the_split() -> None:
    winner, loser = Folder("A"), Folder("B", at(5))
    loser.touch(at(10))
    winner.breach("first_response")
    merge(winner, loser, at(180))

    split(winner, loser, at(200))

    assert winner.clock("first_response").is_late
    assert (winner.lead.touches, winner.lead.first_touch_at) == (0, None)
    winner.check()


def test_a_winner_that_was_closed_since_owes_nothing_after_the_split() -> None:
    winner, loser = Folder("A"), Folder("B", at(5))
    loser.touch(at(10))
    merge(winner, loser, at(30))
    closed = happening("lead.closed", at(40), outcome="won", stage="成交")
    winner.write(lifecycle.close(winner.lead, closed), at(40))

    split(winner, loser, at(60))

    assert not [clock for clock in winner.lead.clocks if clock.is_open]
    assert (winner.lead.status, loser.lead.status) == ("won", "open")
    winner.check()


def test_a_touch_of_the_merged_time_that_we_learn_after_the_split_is_the_winners() -> None:
    winner, loser = Folder("A"), Folder("B", at(5))
    merge(winner, loser, at(30))
    split(winner, loser, at(60))

    winner.touch(at(40), now=at(70))

    assert (winner.lead.touches, winner.lead.first_touch_at) == (1, at(40))
    assert winner.clock("first_response").met_at == at(40)
    winner.check()


def test_a_typed_in_touch_stays_typed_in_when_it_is_absorbed() -> None:
    winner, loser = Folder("A"), Folder("B", at(5))
    touched = self_reported(at(10), recorded_at=at(11))
    loser.write(lifecycle.touch(loser.lead, touched, timing=TIMING, now=at(11)), at(11))

    merge(winner, loser, at(30))

    assert winner.lead.first_touch_reported
    assert winner.lead.first_touch_at == at(11)


moments = st.lists(st.integers(6, 100), max_size=3, unique=True)


@THRIFTY
@given(moments, moments, moments)
@example([], [10], [20])
@example([], [10], [20, 30])
@example([], [10, 20], [30])
@example([7], [10], [])
def test_a_split_leaves_of_a_merge_what_came_later_and_nothing_else(
    before: list[int], theirs: list[int], later: list[int]
) -> None:
    winner, loser, alone = Folder("A"), Folder("B", at(5), source="typeform"), Folder("A")
    for minute in sorted(before):
        winner.touch(at(minute))
        alone.touch(at(minute))
    for minute in sorted(theirs):
        loser.touch(at(minute))
    status, touches = loser.lead.status, loser.lead.touches

    merge(winner, loser, at(101))
    for minute in sorted(later):
        winner.touch(at(101 + minute))
        alone.touch(at(101 + minute))
    split(winner, loser, at(210))

    winner.check()
    loser.check()
    now, then = winner.lead, alone.lead
    assert (now.sources, now.touches, now.first_touch_at, now.last_touch_at, now.status) == (
        then.sources,
        then.touches,
        then.first_touch_at,
        then.last_touch_at,
        then.status,
    )
    assert winner.clock("first_response").met_at == alone.clock("first_response").met_at
    assert owed(winner) == owed(alone)
    assert (loser.lead.status, loser.lead.touches, loser.lead.merged_into) == (status, touches, None)


@THRIFTY
@given(moments, moments, moments, moments, st.booleans())
@example([], [10], [12], [], False)
@example([], [10], [6], [], False)
@example([], [10], [12, 14], [45], False)
def test_leads_that_were_merged_into_one_are_split_off_in_any_order(
    before: list[int], theirs: list[int], others: list[int], later: list[int], is_turned: bool
) -> None:
    winner, alone = Folder("A"), Folder("A")
    losers = [Folder("B", at(5)), Folder("C", at(5))]
    for folder, minutes in zip((winner, alone, *losers), (before, before, theirs, others), strict=True):
        for minute in sorted(minutes):
            folder.touch(at(minute))

    for number, loser in enumerate(losers):
        merge(winner, loser, at(101 + number))
    for minute in sorted(later):
        winner.touch(at(110 + minute))
        alone.touch(at(110 + minute))
    for number, loser in enumerate(reversed(losers) if is_turned else losers):
        split(winner, loser, at(220 + number))
        loser.check()

    winner.check()
    assert owed(winner) == owed(alone)
    assert winner.clock("first_response").met_at == alone.clock("first_response").met_at
    assert (winner.lead.touches, winner.lead.first_touch_at) == (alone.lead.touches, alone.lead.first_touch_at)


spans = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 4000)), min_size=1, max_size=3)


@THRIFTY
@given(st.integers(0, 7 * 24 * 60), st.booleans(), spans)
def test_of_a_budget_the_merged_time_is_taken_out_and_nothing_else(
    arrived: int, is_touched: bool, waits: list[tuple[int, int]]
) -> None:
    winner, loser = Folder("A"), Folder("B", at(arrived))
    if is_touched:
        loser.touch(at(arrived + 1))
    now = arrived + 2
    begun = {clock.rule: clock for clock in loser.lead.clocks}
    still_owed = owed(loser)

    for unmerged, merged_for in waits:
        now += unmerged
        loser.sweep(at(now))
        merge(winner, loser, at(now))
        now += merged_for
        split(winner, loser, at(now))

    loser.check()
    assert owed(loser) == still_owed
    for clock in (each for each in loser.lead.clocks if each.is_open):
        first, merged = begun[clock.rule], sum((until - since for since, until in clock.pauses), timedelta(0))
        assert clock.is_late == (clock.due_at < at(now))
        if clock.rule == "second_touch":
            passed = sum(
                (min(until, clock.due_at) - since for since, until in clock.pauses if since < clock.due_at), ZERO
            )
            assert clock.due_at - clock.started_at - passed == timedelta(hours=72)
        else:
            counted = TIMING.calendar.elapsed(clock.started_at, clock.due_at, clock.pauses)
            assert counted == TIMING.calendar.elapsed(first.started_at, first.due_at)
        assert first.due_at <= clock.due_at
        assert merged == sum((timedelta(minutes=minutes) for _, minutes in waits), ZERO)


def owed(folder: Folder) -> list[tuple[str, datetime]]:
    """Return what is still to be answered: rule and since when."""
    return sorted((clock.rule, clock.started_at) for clock in folder.lead.clocks if clock.is_open)
