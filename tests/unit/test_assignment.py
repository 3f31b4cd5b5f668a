"""Who gets a lead: fair turns whoever is skipped; nobody on leave or full, and hours only where they help."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console import configuring
from leadtrail.adapters import calendars
from leadtrail.domain import assignment
from leadtrail.domain.assignment import Assignment, Choice, Rule
from leadtrail.domain.company import Rep, read_rep, read_team
from leadtrail.domain.errors import InvalidInputError
from tests.builders import NINE, policy_of

EXAMPLE = Path(__file__).parent.parent.parent / "docs/examples/company.toml"
HOUR = timedelta(hours=1)
ON_LEAVE = ((NINE - HOUR, NINE + HOUR),)
SHANGHAI = "Asia/Shanghai"
thrifty = settings(max_examples=60, deadline=None)


def rep(name: str, **changes: Any) -> Rep:
    return replace(Rep(name, name, "rep", "huadong"), **changes)


A, B, C, D = (rep(name) for name in "abcd")
TEAM = (A, B, C, D)


def choose(
    rules: Assignment | None = None,
    members: tuple[Rep, ...] = TEAM,
    *,
    turn: int = 0,
    load: Mapping[str, int] | None = None,
    source: str = "standard",
    fields: Mapping[str, str] | None = None,
    previous: str | None = None,
    is_working: Callable[[Rep], bool] = lambda _: True,
) -> Choice[Rep]:
    return assignment.choose(
        rules or Assignment(),
        members,
        turn=turn,
        load=load or {},
        source=source,
        fields=fields or {},
        previous=previous,
        is_working=is_working,
        now=NINE,
    )


def owners(turns: int, rules: Assignment | None = None, members: tuple[Rep, ...] = TEAM) -> list[str]:
    chosen = [choose(rules, members, turn=turn).rep for turn in range(turns)]
    return [each.id if each else "" for each in chosen]


def test_a_plain_team_takes_turns() -> None:
    assert "".join(owners(9)) == "abcdabcda"


def test_a_turn_that_only_one_could_take_is_not_used_up() -> None:
    alone, shared = choose(members=(A,)), choose()

    assert (alone.rep, alone.by, alone.took_turn) == (A, "rotation", False)
    assert (shared.rep, shared.by, shared.took_turn) == (A, "rotation", True)


def test_a_team_of_nobody_leaves_the_lead_to_the_manager() -> None:
    assert choose(members=()) == Choice(None, "nobody")


def test_weights_are_interleaved() -> None:
    rules = Assignment(mode="weighted", weights={"a": 3, "b": 1})

    assert "".join(owners(8, rules, (A, B))) == "aabaaaba"
    assert choose(rules, (A, B)).by == "weight"


def test_whoever_has_no_weight_counts_once() -> None:
    rules = Assignment(mode="weighted", weights={"a": 2})

    assert Counter(owners(8, rules, (A, B, C))) == {"a": 4, "b": 2, "c": 2}


def test_weights_mean_nothing_in_a_plain_rotation() -> None:
    assert "".join(owners(4, Assignment(weights={"a": 3}))) == "abcd"


@thrifty
@given(weights=st.lists(st.integers(1, 100), min_size=1, max_size=6), start=st.integers(0, 10_000))
def test_over_a_round_everybody_gets_exactly_their_weight(weights: list[int], start: int) -> None:
    members = tuple(rep(str(index)) for index in range(len(weights)))
    shares = {each.id: weight for each, weight in zip(members, weights, strict=True)}
    rules = Assignment(mode="weighted", weights=shares)

    chosen = [choose(rules, members, turn=start + turn).rep for turn in range(sum(weights))]

    assert Counter(each.id for each in chosen if each) == shares


@thrifty
@given(
    size=st.integers(2, 7),
    absent=st.sets(st.integers(0, 6), max_size=5),
    start=st.integers(0, 10_000),
    turns=st.integers(0, 60),
)
def test_while_some_are_away_the_others_share_alike(size: int, absent: set[int], start: int, turns: int) -> None:
    members = tuple(rep(str(each), away=ON_LEAVE if each in absent else ()) for each in range(size))
    here = [each.id for each in members if not each.away]

    chosen = Counter(each.id for turn in range(turns) if (each := choose(members=members, turn=start + turn).rep))

    shares = [chosen[each] for each in here]
    assert set(chosen) <= set(here)
    assert sum(shares) == (turns if here else 0)
    assert max(shares, default=0) - min(shares, default=0) <= 1


@thrifty
@given(weights=st.lists(st.integers(1, 9), min_size=2, max_size=5), absent=st.integers(0, 4), start=st.integers(0, 999))
def test_while_one_is_away_the_others_keep_their_proportion(weights: list[int], absent: int, start: int) -> None:
    gone = absent % len(weights)
    members = tuple(rep(str(each), away=ON_LEAVE if each == gone else ()) for each in range(len(weights)))
    rules = Assignment(mode="weighted", weights={each.id: weights[int(each.id)] for each in members})
    round_of = sum(weights) - weights[gone]

    chosen = Counter(
        each.id for turn in range(round_of) if (each := choose(rules, members, turn=start + turn).rep) is not None
    )

    assert chosen == {str(each): weight for each, weight in enumerate(weights) if each != gone}


@pytest.mark.parametrize(
    ("since", "until", "is_away"),
    [(-HOUR, HOUR, True), (timedelta(0), HOUR, True), (-HOUR, timedelta(0), False), (HOUR, 2 * HOUR, False)],
    ids=["during", "as it begins", "as it ends", "before"],
)
def test_leave_counts_from_its_beginning_to_before_its_end(since: timedelta, until: timedelta, is_away: bool) -> None:
    leaving = replace(A, away=((NINE + since, NINE + until),))

    choice = choose(members=(leaving, B))

    assert choice.rep == (B if is_away else leaving)
    assert choice.passed == ((("a", "away"),) if is_away else ())


def test_whoever_has_as_many_leads_as_the_cap_gets_no_more() -> None:
    rules = Assignment(cap=5)

    choice = choose(rules, load={"a": 5, "b": 4, "c": 7})

    assert choice.rep == B
    assert choice.passed == (("a", "full"), ("c", "full"))


def test_where_everybody_is_away_or_full_nobody_gets_it_and_it_is_said_why() -> None:
    away = replace(A, away=ON_LEAVE)

    choice = choose(Assignment(cap=1), (away, B), load={"b": 1})

    assert choice == Choice(None, "nobody", passed=(("a", "away"), ("b", "full")))


def test_whoever_is_out_of_hours_is_passed_over_while_somebody_else_works() -> None:
    choice = choose(Assignment(hours=True), (A, B, C), is_working=lambda each: each == C)

    assert (choice.rep, choice.took_turn) == (C, False)
    assert choice.passed == (("a", "off-hours"), ("b", "off-hours"))


def test_at_night_the_lead_waits_for_the_morning_with_an_owner() -> None:
    rules = Assignment(hours=True)

    chosen = [choose(rules, turn=turn, is_working=lambda _: False) for turn in range(4)]

    assert [each.rep for each in chosen] == [A, B, C, D]
    assert chosen[0].passed == ()


def test_hours_mean_nothing_where_the_team_does_not_ask_for_them() -> None:
    assert choose(is_working=lambda each: each == C).rep == A


def test_whoever_works_but_is_full_does_not_send_the_others_home() -> None:
    choice = choose(Assignment(hours=True, cap=1), (A, B), load={"b": 1}, is_working=lambda each: each == B)

    assert (choice.rep, choice.passed) == (A, (("b", "full"),))


def test_a_known_customer_comes_back_to_their_rep_even_if_full_or_off_hours() -> None:
    rules = Assignment(hours=True, cap=1)

    choice = choose(rules, previous="c", load={"c": 9}, is_working=lambda each: each != C)

    assert choice == Choice(C, "sticky")


def test_a_known_customer_of_somebody_on_leave_takes_a_turn() -> None:
    choice = choose(members=(A, B, replace(C, away=ON_LEAVE)), previous="c")

    assert (choice.rep, choice.by) == (A, "rotation")
    assert choice.passed == (("c", "away"),)


def test_a_known_customer_of_somebody_who_left_takes_a_turn() -> None:
    assert choose(previous="left").by == "rotation"


def test_a_team_may_let_known_customers_take_turns() -> None:
    assert choose(Assignment(sticky=False), previous="c").rep == A


EAST = Rule(("c", "d"), field="地区", among=("上海", "江苏"))
CLOUD = Rule(("b",), field="产品", contains="云")
FORM = Rule(("d",), sources=("typeform",))


@pytest.mark.parametrize(
    ("source", "fields", "chosen"),
    [
        ("standard", {"地区": "江苏"}, "c"),
        ("standard", {"地区": " 上海\u3000"}, "c"),
        ("standard", {"地区": "上海市"}, "a"),
        ("standard", {"产品": "专有云 Pro"}, "b"),
        ("standard", {"产品": "专有云", "地区": "上海"}, "c"),
        ("typeform", {}, "d"),
        ("standard", {}, "a"),
    ],
    ids=["in", "outer spaces", "not in", "contains", "the first rule wins", "source", "no rule"],
)
def test_the_first_rule_that_applies_narrows_the_choice(source: str, fields: dict[str, str], chosen: str) -> None:
    choice = choose(Assignment(rules=(EAST, CLOUD, FORM)), source=source, fields=fields)

    assert choice.rep is not None
    assert (choice.rep.id, choice.by) == (chosen, "rotation" if chosen == "a" else "rule")


def test_full_width_letters_and_capitals_make_no_difference() -> None:
    rules = Assignment(rules=(Rule(("d",), field="产品", contains="CRM"),))

    assert choose(rules, fields={"产品": "ｃｒｍ 旗舰版"}).rep == D


def test_within_a_rule_turns_are_taken() -> None:
    rules = Assignment(rules=(EAST,))

    chosen = [choose(rules, turn=turn, fields={"地区": "上海"}) for turn in range(4)]

    assert [each.rep for each in chosen] == [C, D, C, D]
    assert chosen[0].took_turn


@pytest.mark.parametrize("load", [{}, {"d": 3}], ids=["on leave", "on leave and full"])
def test_a_rule_whose_reps_cannot_take_it_gives_way_to_the_whole_team(load: dict[str, int]) -> None:
    away = replace(C, away=ON_LEAVE)
    gone = D if load else replace(D, away=ON_LEAVE)

    choice = choose(Assignment(rules=(EAST,), cap=3), (A, B, away, gone), fields={"地区": "上海"}, load=load)

    assert (choice.rep, choice.by) == (A, "rotation")
    assert choice.passed == (("c", "away"), ("d", "full" if load else "away"))


def test_a_rule_for_somebody_who_left_gives_way_to_the_whole_team() -> None:
    assert choose(Assignment(rules=(EAST,)), (A, B), fields={"地区": "上海"}).rep == A


def test_each_rule_counts_its_own_turns_so_that_alternating_leads_are_shared_alike() -> None:
    rules = Assignment(rules=(EAST,))
    turns: Counter[str] = Counter()
    got: dict[str, Counter[str]] = {"上海": Counter(), "北京": Counter()}

    for arrival in range(80):
        fields = {"地区": ("上海", "北京")[arrival % 2]}
        rotation = rules.rotation_name("huadong", "standard", fields)
        choice = choose(rules, turn=turns[rotation], fields=fields)
        turns[rotation] += choice.took_turn
        got[fields["地区"]][choice.rep.id if choice.rep else ""] += 1

    assert got == {"上海": {"c": 20, "d": 20}, "北京": {"a": 10, "b": 10, "c": 10, "d": 10}}
    assert turns == {"huadong/1": 40, "huadong": 40}


def test_what_is_configured_is_what_the_team_does() -> None:
    team = read_team(
        "huadong",
        {
            "name": "华东一组",
            "assignment": {
                "mode": "weighted",
                "weights": {"a": 3, "b": 1},
                "cap": 200,
                "hours": True,
                "sticky": False,
                "rules": [
                    {"when": {"field": "地区", "in": ["上海", "江苏"]}, "to": ["c", "d"]},
                    {"when": {"field": "产品", "contains": "云"}, "to": ["b"]},
                    {"when": {"source": ["typeform"]}, "to": ["d"]},
                ],
            },
        },
    )

    assert team.assignment == Assignment("weighted", {"a": 3, "b": 1}, 200, True, False, (EAST, CLOUD, FORM))
    assert team.assignment.reads_fields


def test_a_team_that_says_nothing_takes_turns_and_keeps_known_customers() -> None:
    assert read_team("huadong", {"name": "华东一组"}).assignment == Assignment()
    assert assignment.parse({"cap": None}, "x") == Assignment()


RULE = {"when": {"source": ["typeform"]}, "to": ["a"]}
WRONG: dict[str, tuple[object, str]] = {
    "no table": ([], ""),
    "an unknown field": ({"weight": {}}, ".weight"),
    "an unknown mode": ({"mode": "random"}, ".mode"),
    "a mode that is no text": ({"mode": ["weighted"]}, ".mode"),
    "weighted without weights": ({"mode": "weighted"}, ".weights"),
    "a weight of zero": ({"weights": {"rep-x": 0}}, ".weights.rep-x"),
    "a weight over 100": ({"weights": {"rep-x": 101}}, ".weights.rep-x"),
    "a weight of true": ({"weights": {"rep-x": True}}, ".weights.rep-x"),
    "a broken weight": ({"weights": {"rep-x": 1.5}}, ".weights.rep-x"),
    "weights in a list": ({"weights": ["rep-x"]}, ".weights"),
    "a cap of zero": ({"cap": 0}, ".cap"),
    "a cap over 10000": ({"cap": 10_001}, ".cap"),
    "hours as text": ({"hours": "yes"}, ".hours"),
    "sticky as a number": ({"sticky": 1}, ".sticky"),
    "rules in a table": ({"rules": {}}, ".rules"),
    "too many rules": ({"rules": [RULE] * 51}, ".rules"),
    "a rule that is text": ({"rules": ["x"]}, ".rules[0]"),
    "a rule with more": ({"rules": [RULE, {**RULE, "from": 1}]}, ".rules[1].from"),
    "a rule for nobody": ({"rules": [{**RULE, "to": []}]}, ".rules[0].to"),
    "a rule for a number": ({"rules": [{**RULE, "to": ["a", 1]}]}, ".rules[0].to[1]"),
    "a rule without a condition": ({"rules": [{"to": ["a"]}]}, ".rules[0].when"),
    "an empty condition": ({"rules": [{**RULE, "when": {}}]}, ".rules[0].when"),
    "half a condition": ({"rules": [{**RULE, "when": {"field": "地区"}}]}, ".rules[0].when"),
    "two conditions": ({"rules": [{**RULE, "when": {"field": "x", "in": ["a"], "contains": "b"}}]}, ".rules[0].when"),
    "an unknown condition": ({"rules": [{**RULE, "when": {"team": "x"}}]}, ".rules[0].when.team"),
    "a source that is text": ({"rules": [{**RULE, "when": {"source": "typeform"}}]}, ".rules[0].when.source"),
    "a blank answer": (
        {"rules": [{**RULE, "when": {"field": "地区", "in": ["上海", " "]}}]},
        ".rules[0].when.in[1]",
    ),
    "a blank part": ({"rules": [{**RULE, "when": {"field": "产品", "contains": ""}}]}, ".rules[0].when.contains"),
}


@pytest.mark.parametrize(("body", "place"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_in_the_rules_is_named_by_its_place(body: object, place: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_team("huadong", {"name": "华东一组", "assignment": body})

    assert refused.value.facts["field"] == f"team.huadong.assignment{place}"


def rep_body(**changes: Any) -> dict[str, Any]:
    return {"name": "李四", "role": "rep", "team": "huadong", **changes}


def test_days_of_leave_are_whole_days_of_the_companys_zone() -> None:
    found = read_rep("a", rep_body(away=[["2026-02-10", "2026-02-16"]]), zone=SHANGHAI)

    assert found.away == ((datetime(2026, 2, 9, 16, tzinfo=UTC), datetime(2026, 2, 16, 16, tzinfo=UTC)),)


def test_hours_of_leave_are_taken_as_they_are() -> None:
    pair = ["2026-02-10T09:00:00+08:00", "2026-02-17T18:00:00+08:00"]

    found = read_rep("a", rep_body(away=[pair, ["2026-03-01", "2026-03-01"]]), zone=SHANGHAI)

    assert found.away[0] == (datetime(2026, 2, 10, 1, tzinfo=UTC), datetime(2026, 2, 17, 10, tzinfo=UTC))
    assert found.away[1][1] - found.away[1][0] == timedelta(days=1)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"away": "2026-02-10"}, "away"),
        ({"away": ["2026-02-10"]}, "away[0]"),
        ({"away": [["2026-02-10", "2026-02-09"]]}, "away[0]"),
        ({"away": [["2026-02-10", "2026-02-30"]]}, "away[0][1]"),
        ({"away": [["2026-02-10T09:00:00", "2026-02-11"]]}, "away[0][0]"),
        ({"away": [["9999-12-31", "9999-12-31"]]}, "away[0][1]"),
        ({"away": [[date(2026, 2, 10), date(2026, 2, 11)]]}, "away[0][0]"),
        ({"hours": {}}, "hours"),
        ({"hours": {"monday": []}}, "hours.monday"),
        ({"hours": {"mon": [["09:00", "25:00"]]}}, "hours.mon"),
        ({"hours": "always"}, "hours"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_in_leave_or_shift_is_named_by_its_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_rep("rep-li", rep_body(**changes), zone=SHANGHAI)

    assert refused.value.facts["field"] == f"rep.rep-li.{place}"


def test_an_own_shift_replaces_the_hours_and_leaves_the_holidays() -> None:
    policy = policy_of(calendar={"tz": SHANGHAI, "hours": {"mon": [["09:00", "18:00"]]}, "holidays": ["2026-02-17"]})
    evening = {"tue": [["12:00", "21:00"]]}
    found = read_rep("a", rep_body(hours=evening), zone=SHANGHAI)

    shift = found.shift(policy)

    assert shift.calendar == {"tz": SHANGHAI, "hours": evening, "holidays": ["2026-02-17"]}
    assert read_rep("b", rep_body(), zone=SHANGHAI).shift(policy) is policy


@pytest.mark.parametrize(
    ("at", "is_open"),
    [("2026-03-03T13:00", True), ("2026-03-03T09:30", False), ("2026-02-17T13:00", False)],
    ids=["in the own shift", "in the company's hours only", "at Spring Festival"],
)
def test_a_shift_of_ones_own_keeps_the_public_holidays(at: str, is_open: bool) -> None:
    policy = policy_of(calendar={"tz": SHANGHAI, "cn": True, "hours": {"tue": [["09:00", "12:00"]]}})
    found = read_rep("a", rep_body(hours={"tue": [["12:00", "21:00"]]}), zone=SHANGHAI)

    calendar = calendars.resolve(found.shift(policy).calendar)

    assert calendar.is_open(datetime.fromisoformat(f"{at}+08:00")) is is_open


def test_the_example_shows_every_field_of_an_assignment() -> None:
    wanted = {(one.kind, one.name): one.body for one in configuring.read(EXAMPLE, now=NINE)}

    team = read_team("north", wanted["team", "north"])
    lin, qin = (read_rep(name, wanted["rep", name], zone=SHANGHAI) for name in ("rep-lin", "rep-qin"))

    assert set(wanted["team", "north"]["assignment"]) == set(assignment.FIELDS)
    assert team.assignment.weights == {"rep-lin": 3, "rep-qin": 1}
    assert len(lin.away) == 2
    assert qin.hours is not None


WRONG_IN_THE_FILE = {
    "team.north.assignment.weights.rep-lost": ("rep-qin = 1", "rep-lost = 1"),
    "team.north.assignment.weights.mgr-zhou": ("rep-qin = 1", "mgr-zhou = 1"),
    "team.north.assignment.rules[2].to[1]": ('to = ["rep-lin", "rep-qin"]', 'to = ["rep-lin", "rep-lost"]'),
    "team.north.assignment.cap": ("cap = 200", "cap = 0"),
    "rep.rep-lin.away[0]": ('["2026-02-10", "2026-02-16"]', '["2026-02-16", "2026-02-10"]'),
    "rep.rep-lin.away[0][0]": ('["2026-02-10", "2026-02-16"]', '[2026-02-10, "2026-02-16"]'),
    "rep.rep-qin.hours.sat": ('sat = [["12:00", "21:00"]]', 'sat = [["21:00", "12:00"]]'),
    "rep.rep-qin": ("[rep.rep-qin.hours]", "[rep.rep-qin.shift]"),
}


@pytest.mark.parametrize(("place", "change"), WRONG_IN_THE_FILE.items(), ids=WRONG_IN_THE_FILE.keys())
def test_a_mistake_in_the_companys_file_is_named_by_its_place(
    tmp_path: Path, place: str, change: tuple[str, str]
) -> None:
    text = EXAMPLE.read_text("utf-8")
    assert text.count(change[0]) == 1
    file = tmp_path / "company.toml"
    file.write_text(text.replace(*change), "utf-8")

    with pytest.raises(InvalidInputError) as refused:
        configuring.read(file, now=NINE)

    assert refused.value.facts["field"] == place
