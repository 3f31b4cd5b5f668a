"""Whoever was told of a breach that was none hears so, once, by the same way, and nobody else does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from leadtrail.domain.company import Channel, Company
from leadtrail.services.ports import Change, Telling
from leadtrail.services.retracting import retraction_rows, with_corrections
from tests.builders import NINE, Story, happening, timing

NOON = NINE + timedelta(hours=3)
COMPANY = Company(
    stamp=1,
    name="示例",
    zone="Asia/Shanghai",
    teams={},
    reps={},
    sources={},
    channels={
        name: Channel(name, bot, ("owner", "manager"), name) for name, bot in (("app", "wecom-app"), ("group", "wecom"))
    },
    policies={},
)
LEAD = Story(timing()).lead
RETRACTED = happening("alert.retracted", NOON, rule="first_response", episode=1, answered_by="touch")
TOLD = Telling(
    id="01",
    lead_id="L",
    alert_id="alert-1",
    rule="first_response",
    episode=1,
    level=1,
    to="rep-li",
    channel="app",
    state="sent",
    at=NINE + timedelta(hours=2),
)


def test_each_person_and_group_that_was_told_hears_it_once() -> None:
    tellings = [
        TOLD,
        replace(TOLD, id="02", alert_id="alert-2", level=2, state="unconfirmed"),
        replace(TOLD, id="03", alert_id="alert-2", level=2, to=None, channel="group"),
    ]

    rows = retraction_rows(LEAD, [RETRACTED], tellings, company=COMPANY, now=NOON)

    assert [(row.channel, row.facts["to"], row.facts["alerts"]) for row in rows] == [
        ("app", "rep-li", ["alert-1", "alert-2"]),
        ("group", None, ["alert-2"]),
    ]
    assert {(row.kind, row.send_at, row.facts["lead"], row.facts["episode"]) for row in rows} == {
        ("retraction", NOON, LEAD.lead_id, 1)
    }


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(replace(TOLD, state="moot"), id="a message that was not sent"),
        pytest.param(replace(TOLD, level=0), id="a warning, which was right"),
        pytest.param(replace(TOLD, episode=2), id="another episode"),
        pytest.param(replace(TOLD, rule="second_touch"), id="another rule"),
        pytest.param(replace(TOLD, channel="gone"), id="a channel that is configured no more"),
    ],
)
def test_nobody_hears_of_what_they_were_not_told(said: Telling) -> None:
    rows = retraction_rows(LEAD, [RETRACTED], [said], company=COMPANY, now=NOON)

    assert rows == ()


def test_what_was_taken_back_once_is_not_taken_back_again() -> None:
    corrected = replace(TOLD, id="02", state="corrected")
    again = replace(TOLD, id="03", alert_id="alert-3", at=NOON)

    first = retraction_rows(LEAD, [RETRACTED], [TOLD, corrected], company=COMPANY, now=NOON)
    later = retraction_rows(LEAD, [RETRACTED], [TOLD, corrected, again], company=COMPANY, now=NOON)

    assert first == ()
    assert [row.facts["alerts"] for row in later] == [["alert-3"]]


class Ledger:
    """A store that knows what was told, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def tellings(self, lead_id: str) -> tuple[Telling, ...]:
        self.asked += 1
        return (TOLD,)


def test_a_change_that_takes_nothing_back_costs_no_read() -> None:
    ledger = Ledger()
    change = Change(lead_id="L", recorded_at=NOON, lead=LEAD, happenings=(happening("touch.recorded", NOON),))

    same = with_corrections(change, store=ledger, company=COMPANY)  # type: ignore[arg-type]
    more = with_corrections(
        replace(change, happenings=(RETRACTED,)),
        store=ledger,  # type: ignore[arg-type]
        company=COMPANY,
    )

    assert same == change
    assert ([row.kind for row in more.outbox], ledger.asked) == (["retraction"], 1)
