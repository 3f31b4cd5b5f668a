from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from console.company import DEFAULT_POLICY
from leadtrail.domain import policy
from leadtrail.domain.errors import PolicyInvalidError
from leadtrail.domain.policy import Policy
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


def of_levels(*levels: tuple[object, object], **more: object) -> dict[str, Any]:
    return of_rule(levels=[{"after": after, "to": to, **more} for after, to in levels])


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
    "a night shift into the next day's morning": (
        of_calendar(hours={"mon": [["20:00", "04:00"]], "tue": [["03:00", "12:00"]]}),
        "calendar.hours.tue",
    ),
    "the last night of the week into its first morning": (
        of_calendar(hours={"sun": [["22:00", "06:00"]], "mon": [["05:00", "12:00"]]}),
        "calendar.hours.mon",
    ),
    "overlapping special hours": (
        of_calendar(on={"2026-01-04": [["09:00", "12:00"], ["11:59", "13:00"]]}),
        "calendar.on.2026-01-04",
    ),
    "a day of work and of rest": (
        of_calendar(off=["2026-01-04"], on={"2026-01-04": [["09:00", "12:00"]]}),
        "calendar.off.2026-01-04",
    ),
    "special hours that are none": (of_calendar(on={"2026-01-04": "09:00-12:00"}), "calendar.on.2026-01-04"),
    "special hours on no date": (of_calendar(date_hours={"tomorrow": []}), "calendar.date_hours.tomorrow"),
    "an end before its beginning": (of_calendar(hours={"mon": [["18:00", "09:00"]]}), "calendar.hours.mon"),
    "three ends of a segment": (of_calendar(hours={"mon": [["09:00", "10:00", "11:00"]]}), "calendar.hours.mon"),
    "a segment of numbers": (of_calendar(hours={"mon": [[9, 18]]}), "calendar.hours.mon"),
    "an unknown field in the calendar": (of_calendar(lunch="12:00"), "calendar.lunch"),
    "an unknown field in what is published": (
        of_calendar(published={"from": 2004, "to": 2026, "by": "gov"}),
        "calendar.published",
    ),
    "a last year before the first": (of_calendar(published={"from": 2026, "to": 2004}), "calendar.published.to"),
    "a year beyond time": (of_calendar(published=[10**30]), "calendar.published"),
    "a calendar's name of the wrong type": (of_calendar(name=7), "calendar.name"),
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
    "a level without an audience": (of_rule(levels=[{"after": "PT0S"}]), "rules[0].levels[0].to"),
    "an unknown audience": (of_rule(levels=[{"after": "PT0S", "to": "everybody"}]), "rules[0].levels[0].to"),
    "a distance that is none": (of_rule(levels=[{"after": "soon", "to": "owner"}]), "rules[0].levels[0].after"),
    "an unknown field in a level": (of_levels(("PT0S", "owner"), colour="red"), "rules[0].levels[0].colour"),
    "a level that is a text": (of_rule(levels=["owner"]), "rules[0].levels[0]"),
    "any hour as a word": (of_levels(("PT0S", "owner"), any_hour="yes"), "rules[0].levels[0].any_hour"),
    "two levels at one time": (of_levels(("PT1H", "owner"), ("PT60M", "manager")), "rules[0].levels[1].after"),
    "two levels at once at the breach": (of_levels(("PT0S", "owner"), ("P0D", "team")), "rules[0].levels[1].after"),
    "a pool listed last, and reached first": (of_levels(("P1D", "owner"), ("PT2H", "pool")), "rules[0].levels[1].to"),
    "a level a year later": (of_levels(("PT8760H", "owner")), "rules[0].levels[0].after"),
    "a pool that is not the last level": (
        of_levels(("PT1H", "owner"), ("PT2H", "pool"), ("P1D", "director")),
        "rules[0].levels[1].to",
    ),
    "nothing but a pool": (of_levels(("PT1H", "pool")), "rules[0].levels[0].to"),
    "a budget of 365 days": (of_rule(measure="natural", budget="P365D"), "rules[0].budget"),
    "a budget of a year by name": (of_rule(measure="natural", budget="P1Y"), "rules[0].budget"),
    "a budget in weeks": (of_rule(measure="natural", budget="P2W"), "rules[0].budget"),
    "a budget in digits of another script": (of_rule(budget="PT\u0662H"), "rules[0].budget"),
    "a budget with a line behind it": (of_rule(budget="PT2H\n"), "rules[0].budget"),
    "a warning beyond all numbers": (of_rule(warn_at=10**400), "rules[0].warn_at"),
    "a warning as a text": (of_rule(warn_at="0.75"), "rules[0].warn_at"),
    "a pause without an end": (of_rule(pause={}), "rules[0].pause"),
    "a pause that may be anything": (of_rule(pause=True), "rules[0].pause"),
    "a pause with more in it": (of_rule(pause={"cap": "P1D", "until": "P2D"}), "rules[0].pause"),
    "a pause of nothing": (of_rule(pause={"cap": "P0D"}), "rules[0].pause.cap"),
    "a pause beyond a year": (of_rule(pause={"cap": "P367D"}), "rules[0].pause.cap"),
    "a pause of too many hours": (of_rule(pause={"cap": "PT8785H"}), "rules[0].pause.cap"),
    "a pause as a number": (of_rule(pause={"cap": 14}), "rules[0].pause.cap"),
    "a title of nothing": (of_rule(title=""), "rules[0].title"),
    "a title of blanks": (of_rule(title="  "), "rules[0].title"),
    "a title of 21 characters": (of_rule(title="长" * 21), "rules[0].title"),
    "a title that calls everybody": (of_rule(title="@all"), "rules[0].title"),
    "a title with a link": (of_rule(title="[看](http)"), "rules[0].title"),
    "a title that turns around": (of_rule(title="首响\u202e超时"), "rules[0].title"),
    "a title of two lines": (of_rule(title="首响\n超时"), "rules[0].title"),
    "a stage that has no name": (of_rule(starts="stage.entered:"), "rules[0].starts"),
    "a stage with blanks around it": (of_rule(meets=["stage: 方案确认"]), "rules[0].meets[0]"),
    "a kind of touch that nobody knows": (of_rule(meets=["touch:telepathy"]), "rules[0].meets[0]"),
    "an order below zero": (policy_body(order=-1), "order"),
    "an order beyond the last": (policy_body(order=1001), "order"),
    "an order that is true": (policy_body(order=True), "order"),
    "an order in halves": (policy_body(order=1.5), "order"),
    "a leave that nobody knows": (policy_body(leave="fire"), "leave"),
    "an amount as a number": (policy_body(when={"amount": 10_000}), "when.amount"),
    "an amount of nothing": (policy_body(when={"amount": {}}), "when.amount"),
    "an amount in yuan and fen": (policy_body(when={"amount": {"min": 99.5}}), "when.amount.min"),
    "an amount beyond the world's": (policy_body(when={"amount": {"max": 10**15}}), "when.amount.max"),
    "an amount from more to less": (policy_body(when={"amount": {"min": 2, "max": 1}}), "when.amount.max"),
    "an amount of a currency": (policy_body(when={"amount": {"min": 1, "currency": "CNY"}}), "when.amount.currency"),
    "no tag at all": (policy_body(when={"tag": []}), "when.tag"),
    "a tag that is a number": (policy_body(when={"tag": ["vip", 7]}), "when.tag[1]"),
    "a tag of 41 characters": (policy_body(when={"tag": "长" * 41}), "when.tag"),
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


def parsed(name: str, **changes: Any) -> Policy:
    return policy.parse(name, 1, NINE, policy_body(**changes))


@pytest.mark.parametrize(
    ("when", "facts", "fits"),
    [
        ({"source": ["wecom", "typeform"]}, {"source": "typeform"}, True),
        ({"source": ["wecom", "typeform"]}, {"source": "standard"}, False),
        ({"amount": {"min": 10_000_00}}, {"amount_fen": 10_000_00}, True),
        ({"amount": {"min": 10_000_00}}, {"amount_fen": 9_999_99}, False),
        ({"amount": {"max": 10_000_00}}, {"amount_fen": 10_000_00}, True),
        ({"amount": {"max": 10_000_00}}, {"amount_fen": 10_000_01}, False),
        ({"amount": {"max": 10_000_00}}, {"amount_fen": None}, False),
        ({"tag": "展会"}, {"tags": ("vip", "展会")}, True),
        ({"tag": ["展会", "老客户"]}, {"tags": ("老客户",)}, True),
        ({"tag": ["展会", "老客户"]}, {}, False),
        ({"tag": "展会", "team": "huadong"}, {"tags": ("展会",)}, True),
        ({"tag": "展会", "team": "huanan"}, {"tags": ("展会",)}, False),
    ],
    ids=str,
)
def test_a_condition_holds_for_a_source_a_team_an_amount_or_a_tag(
    when: dict[str, Any], facts: dict[str, Any], fits: bool
) -> None:
    special, default = parsed("special", when=when), parsed("default")

    chosen = policy.choose([default, special], **{"source": "wecom", "team": "huadong", **facts})

    assert (chosen is special) is fits


def test_the_first_policy_that_fits_is_the_lowest_in_order_and_then_in_name() -> None:
    where = {"source": "wecom"}
    known = [
        parsed("default"),
        parsed("for_all"),
        parsed("zebra", when=where, order=10),
        parsed("apple", when=where, order=11),
        parsed("aaa", when=where),
    ]

    first = policy.choose(known, source="wecom", team="huadong").name
    others = [policy.choose([each for each in known if each.name != first], source="wecom", team="huadong").name]
    others += [policy.choose(known, source="standard", team="huadong").name]

    assert (first, others) == ("zebra", ["apple", "for_all"])


def test_a_rule_of_ones_own_needs_no_code() -> None:
    body = rule(
        name="visit_after_offer",
        title="方案后拜访",
        starts="stage.entered:方案确认",
        meets=["touch:visit", "touch:meeting", "stage:商务谈判"],
        measure="working_days",
        budget="P3D",
        levels=[
            {"after": "PT0S", "to": "owner", "any_hour": True},
            {"after": "PT4H", "to": "team"},
            {"after": "P2D", "to": "pool"},
        ],
        pause={"cap": "PT48H"},
    )

    found = parsed("offers", rules=[body], leave="reassign", order=7, when={"tag": "重点"})

    [own] = found.rules
    assert (own.title, own.starts, own.stages) == ("方案后拜访", "stage.entered:方案确认", ("方案确认", "商务谈判"))
    assert [(level.to, level.any_hour) for level in own.levels] == [("owner", True), ("team", False), ("pool", False)]
    assert (own.pause_cap, found.leave, found.order) == (timedelta(hours=48), "reassign", 7)


@pytest.mark.parametrize(
    ("said", "cap"),
    [({}, timedelta(days=14)), ({"pause": None}, None), ({"pause": {"cap": "P366D"}}, timedelta(days=366))],
    ids=["not said", "forbidden", "a leap year"],
)
def test_a_pause_is_capped_at_fourteen_days_unless_the_rule_says_otherwise(
    said: dict[str, Any], cap: timedelta | None
) -> None:
    found = parsed("quick", rules=[rule(**said)])

    assert found.rules[0].pause_cap == cap


def test_everything_that_is_wrong_is_named_at_once() -> None:
    body = policy_body(order=-1, colour="red", rules=[rule(budget="PT0S", warn_at=2), rule(name="X", levels=[])])

    with pytest.raises(PolicyInvalidError) as refused:
        policy.parse("quick", 1, NINE, body)

    named = [fault["field"] for fault in refused.value.facts["errors"]]  # type: ignore[attr-defined]
    assert named == ["colour", "order", "rules[0].budget", "rules[0].warn_at", "rules[1].name", "rules[1].levels"]


@pytest.mark.parametrize(
    "body",
    [[], "rules", {1: 2, **policy_body()}, policy_body(rules=[{7: 8, **rule()}]), policy_body(when={3: "x"})],
    ids=["a list", "a text", "a number as a key", "one in a rule", "one in a condition"],
)
def test_what_is_no_object_of_text_keys_is_refused_by_name_too(body: Any) -> None:
    with pytest.raises(PolicyInvalidError) as refused:
        policy.parse("quick", 1, NINE, body)

    assert refused.value.facts["field"] in ("body", "1", "rules[0].7", "when.3")


def test_a_calendar_of_two_shifts_special_hours_and_days_of_rest_is_read() -> None:
    nights = {"mon": [["22:00", "06:00"]], "tue": [["06:00", "12:00"], ["22:00", "06:00"]]}
    calendar = {
        "tz": "Europe/Berlin",
        "hours": nights,
        "off": ["2026-01-06"],
        "on": {"2026-01-05": [["20:00", "24:00"]]},
        "published": {"from": 2004, "to": 2026},
        "name": "两班",
        "version": 3,
        "_comment": "comments begin with an underscore",
    }

    found = parsed("shifts", calendar=calendar)

    assert found.calendar == calendar


def test_without_a_default_policy_nothing_is_chosen() -> None:
    with pytest.raises(LookupError):
        policy.choose([], source="wecom", team="huadong")
