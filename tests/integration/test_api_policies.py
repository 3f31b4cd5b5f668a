from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from console.company import DEFAULT_POLICY
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.people import arrive, ask

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALWAYS: dict[str, Any] = {"tz": "Asia/Shanghai", "hours": {day: [["00:00", "24:00"]] for day in WEEK}}


def test_the_policies_are_listed_and_read_as_they_were_sent(world: TestWorld) -> None:
    listed, one = ask("GET", "/policies").body, ask("GET", "/policies/default").body

    assert listed == {"items": [one], "cursor": None}
    assert one == {
        "id": "default",
        "name": "default",
        "version": 1,
        "active_from": "2026-01-26T09:00:00.000+08:00",
        "when": {},
        **DEFAULT_POLICY,
    }


def test_a_new_version_holds_for_clocks_that_start_from_now_on(world: TestWorld, clock: TimeTravel) -> None:
    before = arrive(world)
    changed = deepcopy(DEFAULT_POLICY) | {"calendar": ALWAYS}
    changed["rules"][0]["budget"] = "PT10S"
    clock.at += timedelta(minutes=1)

    answer = ask("PUT", "/policies/default", user="wangfang", body=changed)

    world.config.current()
    after = arrive(world, phone="+8613900139000")
    assert (answer.status, answer.body["version"]) == (200, 2)
    assert answer.body["active_from"] == "2026-01-26T09:01:00.000+08:00"
    assert {name: answer.body[name] for name in changed} == changed
    assert ask("GET", "/policies/default").body == answer.body
    due = [ask("GET", f"/leads/{lead}").body["clocks"][0]["due_at"] for lead in (before, after)]
    assert due == ["2026-01-26T11:00:00.000+08:00", "2026-01-26T09:01:10.000+08:00"]


def test_a_policy_of_a_source_stands_beside_the_default(world: TestWorld) -> None:
    answer = ask("PUT", "/policies/hot", user="admin", body={**DEFAULT_POLICY, "when": {"source": "wecom"}})

    assert (answer.status, answer.body["when"]) == (200, {"source": "wecom"})
    assert [item["name"] for item in ask("GET", "/policies").body["items"]] == ["default", "hot"]


def broken(path: str, value: object) -> dict[str, Any]:
    body: dict[str, Any] = deepcopy(DEFAULT_POLICY)
    place: Any = body
    *steps, last = path.split(".")
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    place[int(last) if last.isdigit() else last] = value
    return body


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("calendar.tz", "Mars/Olympus", "calendar.tz"),
        ("calendar.hours", {}, "calendar.hours"),
        ("calendar.hours.mon", [["18:00", "09:00"]], "calendar.hours.mon"),
        ("calendar", [], "calendar"),
        ("rules", [], "rules"),
        ("rules.0.budget", "two hours", "rules[0].budget"),
        ("rules.0.budget", "PT0S", "rules[0].budget"),
        ("rules.0.budget", "P99999D", "rules[0].budget"),
        ("rules.0.budget", 7200, "rules[0].budget"),
        ("rules.0.measure", "lunar", "rules[0].measure"),
        ("rules.0.warn_at", 1.5, "rules[0].warn_at"),
        ("rules.0.warn_at", "0.5", "rules[0].warn_at"),
        ("rules.0.levels.0.to", "everybody", "rules[0].levels[0].to"),
        ("rules.0.extra", 1, "rules[0].extra"),
        ("rules.1.name", "first_response", "rules[1].name"),
        ("active_from", "2020-01-01", "active_from"),
        ("version", 9, "version"),
        ("when", {"source": "wecom"}, "when"),
        ("rules.0.starts", ["lead.received"], "rules[0].starts"),
    ],
)
def test_a_policy_that_no_clock_could_follow_names_its_field(
    world: TestWorld, path: str, value: object, field: str
) -> None:
    answer = ask("PUT", "/policies/default", user="admin", body=broken(path, value))

    assert answer.status == 422
    assert answer.body["field"].startswith(field)
    assert answer.body["title"]
    assert ask("GET", "/policies/default").body["version"] == 1


def test_an_unknown_policy_is_not_found_and_a_name_that_makes_no_sense_is_named(world: TestWorld) -> None:
    unknown = ask("GET", "/policies/nothing")
    nameless = ask("PUT", "/policies/Not-A-Name", user="admin", body=DEFAULT_POLICY)

    assert unknown.status == 404
    assert (nameless.status, nameless.body["field"]) == (422, "name")


def test_short_lists_come_in_pages_too(world: TestWorld) -> None:
    world.config.put("policy", "other", {**DEFAULT_POLICY, "when": {"team": "huanan"}}, now=world.clock())

    first = ask("GET", "/policies", query={"limit": "1"}).body
    second = ask("GET", "/policies", query={"limit": "1", "cursor": first["cursor"]}).body

    assert [[item["id"] for item in page["items"]] for page in (first, second)] == [["default"], ["other"]]
    assert second["cursor"] is None


def test_two_levels_at_one_moment_are_refused_by_name(world: TestWorld) -> None:
    changed = deepcopy(DEFAULT_POLICY)
    changed["rules"][0]["levels"] = [{"after": "PT0S", "to": "owner"}, {"after": "PT0S", "to": "manager"}]

    answer = ask("PUT", "/policies/default", user="wangfang", body=changed)

    assert (answer.status, answer.body["field"]) == (422, "rules[0].levels[1].after")
