from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from console.company import DEFAULT_POLICY
from leadtrail.domain import policy
from leadtrail.domain.errors import PolicyInvalidError
from tests.builders import LEVELS, NINE, OFFICE, policy_body, rule

Change = Callable[[dict[str, Any]], None]


def test_the_three_promises_of_the_brief_are_read() -> None:
    found = policy.parse("default", 3, NINE, DEFAULT_POLICY)

    assert [(each.name, each.measure, each.budget, each.days) for each in found.rules] == [
        ("first_response", "business", timedelta(hours=2), 0),
        ("second_touch", "natural", timedelta(hours=72), 0),
        ("no_progress", "working_days", timedelta(0), 5),
    ]
    assert [(level.to, level.after.time, level.after.days) for level in found.rules[0].levels] == [
        ("owner", timedelta(0), 0),
        ("manager", timedelta(hours=1), 0),
        ("director", timedelta(0), 1),
    ]
    assert [each.budget_words for each in found.rules] == ["2个工作小时", "72小时", "5个工作日"]
    assert [each.title for each in found.rules] == ["首次响应", "二次触达", "阶段推进"]


def test_a_first_response_of_ten_seconds_on_a_calendar_that_is_always_open_is_read() -> None:
    always = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}

    found = policy.parse(
        "quick", 1, NINE, policy_body(calendar={"tz": "Asia/Shanghai", "hours": always}, rules=[rule(budget="PT10S")])
    )

    assert (found.rules[0].budget, found.rules[0].budget_words) == (timedelta(seconds=10), "工作时间10秒")


def of_rule(**changes: Any) -> dict[str, Any]:
    return policy_body(rules=[rule(**changes)])


def of_calendar(**changes: Any) -> dict[str, Any]:
    return policy_body(calendar={"tz": "Asia/Shanghai", "hours": OFFICE} | changes)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": (policy_body(colour="red"), "colour"),
    "no calendar": (policy_body(calendar=None), "calendar"),
    "a calendar of the wrong type": (policy_body(calendar=[]), "calendar"),
    "a calendar that is never open": (of_calendar(hours={}), "calendar.hours"),
    "a zone that is nowhere": (of_calendar(tz="Asia/Atlantis"), "calendar.tz"),
    "an unknown weekday": (of_calendar(hours={"funday": [["09:00", "18:00"]]}), "calendar.hours.funday"),
    "an hour that is none": (of_calendar(hours={"mon": [["09:00", "25:00"]]}), "calendar.hours.mon"),
    "overlapping segments": (
        of_calendar(hours={"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}),
        "calendar.hours.mon",
    ),
    "a date that does not exist": (of_calendar(holidays=["2026-02-30"]), "calendar.holidays.2026-02-30"),
    "cn of the wrong type": (of_calendar(cn="yes"), "calendar.cn"),
    "no rules": (policy_body(rules=[]), "rules"),
    "rules of the wrong type": (policy_body(rules={}), "rules"),
    "twenty-one rules": (policy_body(rules=[rule(name=f"r{n}") for n in range(21)]), "rules"),
    "a rule of the wrong type": (policy_body(rules=["first_response"]), "rules[0]"),
    "the same rule twice": (policy_body(rules=[rule(), rule()]), "rules[1].name"),
    "an unknown field in a rule": (of_rule(colour="red"), "rules[0].colour"),
    "a rule without a name": (of_rule(name=None), "rules[0].name"),
    "a name that is no word": (of_rule(name="First Response"), "rules[0].name"),
    "an unknown start": (of_rule(starts="lead.lost"), "rules[0].starts"),
    "a start of the wrong type": (of_rule(starts=["lead.received"]), "rules[0].starts"),
    "nothing that meets": (of_rule(meets=[]), "rules[0].meets"),
    "something unknown that meets": (of_rule(meets=["touch", "prayer"]), "rules[0].meets[1]"),
    "an unknown measure": (of_rule(measure="lunar"), "rules[0].measure"),
    "no budget": (of_rule(budget=None), "rules[0].budget"),
    "a budget of nothing": (of_rule(budget="PT0S"), "rules[0].budget"),
    "a budget below zero": (of_rule(budget="PT-2H"), "rules[0].budget"),
    "a budget as a number": (of_rule(budget=7200), "rules[0].budget"),
    "a budget of a year": (of_rule(budget="PT8784H"), "rules[0].budget"),
    "a budget beyond time": (of_rule(budget="PT999999H"), "rules[0].budget"),
    "business time in days": (of_rule(budget="P5D"), "rules[0].budget"),
    "working days in hours": (of_rule(measure="working_days", budget="PT40H"), "rules[0].budget"),
    "no working day": (of_rule(measure="working_days", budget="P0D"), "rules[0].budget"),
    "too many working days": (of_rule(measure="working_days", budget="P261D"), "rules[0].budget"),
    "days and hours at once": (of_rule(measure="natural", budget="P1DT2H"), "rules[0].budget"),
    "a warning at the start": (of_rule(warn_at=0), "rules[0].warn_at"),
    "a warning at the end": (of_rule(warn_at=1), "rules[0].warn_at"),
    "a warning that is no number": (of_rule(warn_at=float("nan")), "rules[0].warn_at"),
    "a warning that is true": (of_rule(warn_at=True), "rules[0].warn_at"),
    "no levels": (of_rule(levels=[]), "rules[0].levels"),
    "six levels": (of_rule(levels=LEVELS * 2), "rules[0].levels"),
    "a level without an audience": (of_rule(levels=[{"after": "PT0S"}]), "rules[0].levels[0]"),
    "an unknown audience": (of_rule(levels=[{"after": "PT0S", "to": "everybody"}]), "rules[0].levels[0].to"),
    "a distance that is none": (of_rule(levels=[{"after": "soon", "to": "owner"}]), "rules[0].levels[0].after"),
    "a condition of the wrong type": (policy_body(when="standard"), "when"),
    "a list of conditions": (policy_body(when=[]), "when"),
    "a condition that is false": (policy_body(when=False), "when"),
    "an unknown condition": (policy_body(when={"weather": "rain"}), "when.weather"),
    "an empty condition": (policy_body(when={"team": ""}), "when.team"),
}


@pytest.mark.parametrize(("body", "field"), BAD.values(), ids=BAD.keys())
def test_a_policy_that_makes_no_sense_is_refused_by_the_name_of_its_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(PolicyInvalidError) as refused:
        policy.parse("quick", 1, NINE, body)

    assert refused.value.facts["field"] == field
    assert refused.value.facts["rule"]
    assert refused.value.status == 422


@pytest.mark.parametrize("name", ["", "Quick", "1st", "a b", "a" * 41, "快", "default\n"])
def test_a_name_that_no_address_could_hold_is_refused(name: str) -> None:
    with pytest.raises(PolicyInvalidError) as refused:
        policy.parse(name, 1, NINE, policy_body())

    assert refused.value.facts["field"] == "name"


def test_the_default_policy_is_for_everybody() -> None:
    with pytest.raises(PolicyInvalidError) as refused:
        policy.parse("default", 1, NINE, policy_body(when={"team": "huadong"}))

    assert refused.value.facts["field"] == "when"


def test_conditions_are_kept_and_all_have_to_hold() -> None:
    body = policy_body(when={"team": "huadong", "source": "wecom"})
    chosen = policy.parse("vip", 1, NINE, body)
    default = policy.parse("default", 1, NINE, policy_body())

    assert policy.choose([default, chosen], source="wecom", team="huadong") is chosen
    assert policy.choose([default, chosen], source="wecom", team="huanan") is default


def test_without_a_default_policy_nothing_is_chosen() -> None:
    with pytest.raises(LookupError):
        policy.choose([], source="wecom", team="huadong")
