"""A case of another system, told as what happened to a lead."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.company import DEFAULT_POLICY
from console.history_file import plan
from leadtrail.adapters import calendars
from leadtrail.domain import history, policy, trail
from leadtrail.domain import lead as leads_of
from leadtrail.domain.history import Case, SourceEvent
from leadtrail.domain.lead import Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.trail import GENESIS, Happening

READING = plan(Path(__file__).parents[2] / "docs/examples/bpic2012.toml").reading
DEFAULT = policy.parse("default", 1, datetime(2011, 1, 1, tzinfo=UTC), DEFAULT_POLICY)
TIMING = Timing(DEFAULT, calendars.resolve(DEFAULT.calendar), history=True)
NINE = datetime(2011, 10, 10, 1, tzinfo=UTC)  # Monday, 09:00 in Shanghai, the week after the holidays
CALL = "W_Completeren aanvraag"
MINUTE = 60


def event(activity: str, after_s: float = 0, lifecycle: str = "COMPLETE", resource: str = "10862") -> SourceEvent:
    at = NINE + timedelta(seconds=after_s)
    return SourceEvent(round(after_s * 10) + 2, activity, lifecycle, resource, at, "20000")


def call(after_s: float, talk_s: float = 60, resource: str = "10862") -> list[SourceEvent]:
    return [event(CALL, after_s, "START", resource), event(CALL, after_s + talk_s, "COMPLETE", resource)]


def taken(*events: SourceEvent) -> Case:
    case, refused = history.read("173688", [event("A_SUBMITTED", resource="112"), *events], READING)
    assert case is not None
    assert refused == ()
    return case


def told(*events: SourceEvent, until_s: float = 0) -> tuple[Happening, ...]:
    until = max([NINE + timedelta(seconds=until_s), *(each.at for each in events)])
    return history.story(taken(*events), READING, TIMING, until=until)


def lead_of(happenings: tuple[Happening, ...]) -> Lead:
    events = trail.append(happenings, lead_id="L", seq=0, head=GENESIS, recorded_at=NINE, salt=b"")
    return leads_of.fold(events)


def kinds(happenings: tuple[Happening, ...]) -> list[str]:
    return [each.kind for each in happenings]


def of_kind(happenings: tuple[Happening, ...], kind: str) -> list[Happening]:
    return [each for each in happenings if each.kind == kind]


def test_a_submission_is_a_lead_with_sleeping_clocks() -> None:
    happenings = told()

    lead = lead_of(happenings)
    assert kinds(happenings) == ["lead.received", "clock.started", "clock.started"]
    assert happenings[0].facts["amount_fen"] == 2_000_000
    assert happenings[0].facts["currency"] == "EUR"
    assert (lead.received_at, lead.origin, lead.owner) == (NINE, "import", None)
    assert [clock.wakes_at for clock in lead.clocks] == [None, None]


def test_every_event_of_an_import_says_so() -> None:
    happenings = told(*call(3 * 3600), event("A_DECLINED", 90_000))

    assert {each.facts["origin"] for each in happenings} == {"import"}


def test_two_ends_of_one_resource_are_one_call_with_its_duration() -> None:
    case = taken(*call(600, talk_s=391.7))
    happenings = told(*call(600, talk_s=391.7))

    [touch] = of_kind(happenings, "touch.recorded")
    assert case.merged == 2
    assert (touch.occurred_at, touch.facts["talk_s"]) == (NINE + timedelta(seconds=600), 391)
    assert touch.actor == "import:10862"
    assert not touch.facts["self_reported"]


def test_ends_of_different_resources_are_no_call_and_stay_as_facts() -> None:
    start, complete = event(CALL, 600, "START", "10862"), event(CALL, 700, "COMPLETE", "")

    happenings = told(start, complete)

    assert taken(start, complete).merged == 0
    assert [each.facts["lifecycle"] for each in of_kind(happenings, "source.event")] == ["START", "COMPLETE"]


def test_rows_without_a_resource_pair_among_themselves() -> None:
    assert taken(*call(600, resource="")).merged == 2


def test_a_complete_closes_the_latest_open_start() -> None:
    first, second, end = event(CALL, 600, "START"), event(CALL, 700, "START"), event(CALL, 760)

    case = taken(first, second, end)

    assert case.ends == {second.line: end}


def test_a_call_in_time_meets_the_first_response() -> None:
    happenings = told(*call(600))

    clock = lead_of(happenings).clock("first_response", 1)
    assert clock is not None
    assert clock.state == "met"
    assert of_kind(happenings, "clock.breached") == []


def test_a_call_at_the_very_end_of_the_budget_is_in_time() -> None:
    happenings = told(*call(2 * 3600), until_s=3 * 3600)

    assert "clock.breached" not in kinds(happenings)
    assert "alert.retracted" not in kinds(happenings)


def test_a_lead_without_an_answer_breaches_at_its_due_time_and_warns_nobody() -> None:
    happenings = told(until_s=4 * 3600)

    [breach] = of_kind(happenings, "clock.breached")
    assert (breach.occurred_at, breach.facts["origin"]) == (NINE + timedelta(hours=2), "import")
    assert of_kind(happenings, "clock.warned") == []


def test_a_late_call_leaves_the_breach_with_the_levels_that_had_passed() -> None:
    happenings = told(*call(5.5 * 3600), until_s=9 * 3600)

    clock = lead_of(happenings).clock("first_response", 1)
    assert clock is not None
    assert (clock.state, clock.met_at) == ("breached", NINE + timedelta(hours=5.5))
    assert [each.facts["to"] for each in of_kind(happenings, "clock.escalated")] == ["owner", "manager"]


def test_a_call_too_short_to_be_a_talk_answers_nothing() -> None:
    happenings = told(*call(600, talk_s=29.9), until_s=3 * 3600)

    assert of_kind(happenings, "touch.recorded")[0].facts["effective"] is False
    assert len(of_kind(happenings, "clock.breached")) == 1


def test_stages_of_an_import_are_legacy_and_an_offer_that_came_back_is_forward() -> None:
    happenings = told(event("A_PREACCEPTED", 60), event("O_SENT", 120), event("O_SENT_BACK", 180))

    moves = of_kind(happenings, "stage.changed")
    assert [each.facts["to"] for each in moves] == ["初审通过", "已发报价", "客户已回签"]
    assert {each.facts["gate"] for each in moves} == {"legacy"}
    assert lead_of(happenings).next_episode("no_progress") == 5


def test_the_stage_that_a_lead_is_in_already_is_no_progress() -> None:
    happenings = told(event("O_SENT", 60), event("O_SENT", 120))

    assert len(of_kind(happenings, "stage.changed")) == 1
    assert len(of_kind(happenings, "source.event")) == 1


@pytest.mark.parametrize(
    ("activity", "outcome"),
    [("A_APPROVED", "won"), ("A_ACTIVATED", "won"), ("A_DECLINED", "lost"), ("A_CANCELLED", "lost")],
)
def test_an_ending_closes_the_lead_and_its_clocks(activity: str, outcome: str) -> None:
    lead = lead_of(told(event(activity, 60)))

    assert lead.status == outcome
    assert not any(clock.is_open for clock in lead.clocks)


def test_what_comes_after_the_end_is_kept_and_changes_nothing() -> None:
    happenings = told(event("A_DECLINED", 60), event("O_SENT", 120), *call(180), event("A_APPROVED", 300))

    lead = lead_of(happenings)
    assert (lead.status, lead.stage) == ("lost", "审核未通过")
    ended = kinds(happenings).index("lead.closed")
    after = [kind for kind in kinds(happenings)[ended:] if not kind.startswith(("clock.", "owner."))]
    assert after == ["lead.closed", "source.event", "touch.recorded", "source.event"]


def test_whoever_works_first_owns_the_lead_and_a_schedule_is_no_work() -> None:
    happenings = told(event(CALL, 30, "SCHEDULE", "112"), *call(60, resource=""), *call(300, resource="10913"))

    [assigned] = of_kind(happenings, "owner.assigned")
    assert (assigned.facts["owner"], assigned.occurred_at) == ("import:10913", NINE + timedelta(seconds=300))


def test_a_mapped_resource_is_the_rep_of_the_company() -> None:
    reading = replace(READING, owners={"10862": "rep-zhang"})

    happenings = history.story(taken(*call(60)), reading, TIMING, until=NINE + timedelta(hours=1))

    assert lead_of(happenings).owner == "rep-zhang"


def test_a_case_that_was_never_submitted_is_refused_row_by_row() -> None:
    case, refused = history.read("1", call(60), READING)

    assert case is None
    assert [each.why for each in refused] == [history.NO_SUBMISSION] * 2


def test_what_happened_before_the_submission_is_refused() -> None:
    early = event("A_PREACCEPTED", -60)

    case, refused = history.read("1", [early, event("A_SUBMITTED")], READING)

    assert case is not None
    assert [(each.event, each.why) for each in refused] == [(early, history.BEFORE_SUBMISSION)]


@pytest.mark.parametrize("amount", ["NaN", "-1", "1e99", "20.005", "twenty", "Infinity", "sNaN"])
def test_an_amount_that_is_none_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="金额"):
        history.fen(amount)


@pytest.mark.parametrize(("amount", "fen"), [("", None), ("0", 0), ("20000", 2_000_000), ("0.01", 1), ("1E3", 100_000)])
def test_an_amount_becomes_whole_fen(amount: str, fen: int | None) -> None:
    assert history.fen(amount) == fen


def test_the_ids_of_a_case_follow_from_its_source_and_name() -> None:
    once, again = taken(), taken(*call(60))
    other, _ = history.read("173691", [event("A_SUBMITTED")], READING)

    assert other is not None
    assert (once.lead_id, once.person_id, once.receipt) == (again.lead_id, again.person_id, again.receipt)
    assert once.digest != again.digest
    assert len({once.lead_id, once.person_id, other.lead_id, other.person_id}) == 4


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["A_PREACCEPTED", "O_SENT", "O_CREATED", "A_APPROVED", "A_DECLINED", CALL]),
        st.sampled_from(["START", "COMPLETE", "SCHEDULE"]),
        st.sampled_from(["", "10862"]),
        st.integers(0, 400).map(lambda number: number * 1800),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(1, 9))
def test_a_story_folds_to_the_same_lead_in_pieces_and_accounts_for_every_row(
    steps: list[tuple[str, str, str, int]], size: int
) -> None:
    events = [
        SourceEvent(line, activity, lifecycle, resource, NINE + timedelta(seconds=after))
        for line, (activity, lifecycle, resource, after) in enumerate(steps, start=3)
    ]
    case = taken(*events)

    happenings = history.story(case, READING, TIMING, until=NINE + timedelta(days=10))

    sealed = trail.append(happenings, lead_id="L", seq=0, head=GENESIS, recorded_at=NINE, salt=b"")
    lead: Lead | None = None
    for start in range(0, len(sealed), size):
        try:
            lead = leads_of.evolve(lead, sealed[start : start + size])
        except leads_of.NeedsTrailError:
            lead = leads_of.fold(sealed[: start + size])
    assert lead == leads_of.fold(sealed)
    derived = ("clock.", "owner.", "alert.")
    assert len(case.events) - case.merged // 2 == sum(not each.kind.startswith(derived) for each in happenings)
    assert [each.kind for each in happenings if each.kind.startswith("alert.")] == []
