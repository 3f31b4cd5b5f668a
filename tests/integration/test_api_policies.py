import json
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from console.company import DEFAULT_POLICY
from functions.ingest.webhook import handler as webhook
from leadtrail.domain import clock as clocks_of
from leadtrail.domain.errors import BusyError
from leadtrail.domain.lead import fold
from leadtrail.domain.trail import Happening
from leadtrail.services import previewing, rebasing
from leadtrail.services.ports import Change, Committed
from tests.integration.conftest import NINE, TestWorld, TimeTravel
from tests.integration.people import arrive, ask
from tests.integration.webhooks import Context, lead_created

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
        "order": 100,
        "leave": None,
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
        ("rules.0.starts", "stage.entered:从未有过", "rules[0].starts"),
        ("rules.0.meets", ["touch", "stage:从未有过"], "rules[0].meets"),
        ("rules.0.levels.0.any_hour", "yes", "rules[0].levels[0].any_hour"),
        ("rules.0.pause", {"cap": "P400D"}, "rules[0].pause.cap"),
        ("rules.0.title", "[点我](http)", "rules[0].title"),
        ("calendar", {"on": {"2020-01-04": [["09:00", "10:00"]]}}, "calendar.hours"),
        ("order", 10_000, "order"),
        ("leave", "fire", "leave"),
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


def test_a_condition_on_a_team_that_nobody_has_configured_is_named(world: TestWorld) -> None:
    answer = ask("PUT", "/policies/hot", user="admin", body={**DEFAULT_POLICY, "when": {"team": ["huadong", "moon"]}})

    assert (answer.status, answer.body["field"]) == (422, "when.team")


def test_everything_that_is_wrong_is_listed(world: TestWorld) -> None:
    body = broken("rules.0.budget", "PT0S") | {"order": -1}

    answer = ask("PUT", "/policies/default", user="admin", body=body)

    assert [fault["field"] for fault in answer.body["errors"]] == ["order", "rules[0].budget"]


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


def quick(budget: str = "PT30M", **changes: Any) -> dict[str, Any]:
    """The default policy with another first response, and no other promise."""
    body: dict[str, Any] = deepcopy(DEFAULT_POLICY)
    body["rules"] = [{**body["rules"][0], "budget": budget}]
    return body | changes


def due_at(lead_id: str, user: str = "admin") -> dict[str, str]:
    return {each["rule"]: each["due_at"] for each in ask("GET", f"/leads/{lead_id}/clocks", user=user).body["items"]}


def kinds(world: TestWorld, lead_id: str) -> list[str]:
    return [event.kind for event in world.store.trail(lead_id)]


def test_a_policy_of_an_amount_and_a_tag_governs_the_leads_that_have_them(world: TestWorld) -> None:
    body = quick(when={"amount": {"min": 10_000_00}, "tag": "重点"}, order=1)
    assert ask("PUT", "/policies/large", user="admin", body=body).status == 200
    world.config.current()

    said = ({"amount": "3万元", "tags": ["重点", "展会"]}, {"amount": "3万元"}, {"amount": "面议", "tags": "重点"})
    answers = [
        webhook(lead_created(NINE, message_id=f"msg_{n}", phone=f"1380013800{n}", fields=fields), Context())
        for n, fields in enumerate(said)
    ]

    found = [world.store.lead(json.loads(answer["body"])["id"]) for answer in answers]
    assert [lead.clocks[0].policy for lead in found if lead] == ["large", "default", "default"]
    assert [(lead.amount_fen, lead.tags) for lead in found if lead] == [
        (30_000_00, ("重点", "展会")),
        (30_000_00, ()),
        (None, ("重点",)),
    ]


def test_a_preview_tells_who_would_be_late_tomorrow_and_writes_nothing(world: TestWorld, clock: TimeTravel) -> None:
    mine, other = arrive(world), arrive(world, owner="rep-zhao", team="huanan", phone="+8613900139000")
    clock.at += timedelta(hours=1)
    before = [kinds(world, lead) for lead in (mine, other)]

    answer = ask("POST", "/policies/default/preview", user="wangfang", body=quick())

    assert (answer.status, answer.body) == (
        200,
        {
            "leads": 1,
            "clocks": 1,
            "tomorrow": "2026-01-27T18:00:00.000+08:00",
            "late_now": {"before": 0, "after": 1},
            "late_by_tomorrow": {"before": 1, "after": 1},
            "changed": [
                {
                    "lead": mine,
                    "rule": "first_response",
                    "due_before": "2026-01-26T11:00:00.000+08:00",
                    "due_after": "2026-01-26T09:30:00.000+08:00",
                    "late_tomorrow_before": True,
                    "late_tomorrow_after": True,
                }
            ],
            "by_owner": {"rep-zhang": {"before": 1, "after": 1}},
            "cursor": None,
        },
    )
    assert [kinds(world, lead) for lead in (mine, other)] == before
    assert ask("GET", "/policies/default").body["version"] == 1


def test_a_preview_of_a_longer_limit_shows_who_would_be_saved(world: TestWorld) -> None:
    arrive(world, owner=None)

    answer = ask("POST", "/policies/default/preview", user="chenzong", body=quick("PT40H"))

    assert (answer.body["late_now"], answer.body["late_by_tomorrow"]) == (
        {"before": 0, "after": 0},
        {"before": 1, "after": 0},
    )
    assert answer.body["by_owner"] == {"": {"before": 1, "after": 0}}


def test_a_preview_looks_only_at_leads_that_the_policy_would_govern(world: TestWorld) -> None:
    arrive(world)
    elsewhere = quick(when={"team": "huanan"})

    other = ask("POST", "/policies/other/preview", user="chenzong", body=elsewhere)
    own = ask("POST", "/policies/other/preview", user="chenzong", body=elsewhere | {"when": {"team": "huadong"}})

    assert [(each.body["leads"], each.body["clocks"]) for each in (other, own)] == [(1, 0), (1, 1)]


def test_a_breach_stands_whatever_the_limit_becomes(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    clock.at += timedelta(hours=4)
    breach(world, lead_id)

    tried = ask("POST", "/policies/default/preview", user="admin", body=quick("PT40H")).body
    ask("PUT", "/policies/default", user="admin", body=quick("PT40H"))
    ask("POST", "/policies/default/rebase", user="admin", body={})

    assert (tried["late_now"], tried["changed"]) == ({"before": 1, "after": 1}, [])
    assert "clock.rebased" not in kinds(world, lead_id)


def test_a_preview_of_a_policy_that_makes_no_sense_names_its_field(world: TestWorld) -> None:
    answer = ask("POST", "/policies/default/preview", user="admin", body=quick("PT0S"))

    assert (answer.status, answer.body["code"], answer.body["field"]) == (422, "policy-invalid", "rules[0].budget")


def test_running_clocks_follow_a_new_version_when_somebody_says_so(world: TestWorld, clock: TimeTravel) -> None:
    mine, other = arrive(world), arrive(world, owner="rep-zhao", team="huanan", phone="+8613900139000")
    clock.at += timedelta(minutes=20)
    ask("PUT", "/policies/default", user="wangfang", body=quick())

    first = ask("POST", "/policies/default/rebase", user="wangfang", body={})
    again = ask("POST", "/policies/default/rebase", user="wangfang", body={})
    rest = ask("POST", "/policies/default/rebase", user="chenzong", body={})

    assert first.body == {"leads": 1, "changed": 1, "failed": [], "cursor": None}
    assert (again.body["changed"], rest.body["leads"], rest.body["changed"]) == (0, 2, 1)
    assert [due_at(lead)["first_response"] for lead in (mine, other)] == ["2026-01-26T09:30:00.000+08:00"] * 2
    [rebased] = [event for event in world.store.trail(mine) if event.kind == "clock.rebased"]
    assert (rebased.actor, rebased.facts["why"], rebased.facts["policy_version"]) == ("rep:mgr-wang", "policy", 2)
    lead = world.store.lead(mine)
    assert lead == fold(world.store.trail(mine))
    assert {each.rule: each.policy_version for each in lead.clocks} == {"first_response": 2, "no_progress": 1}


def test_what_a_new_limit_moves_into_the_past_is_due_one_business_hour_from_now(
    world: TestWorld, clock: TimeTravel
) -> None:
    lead_id = arrive(world)
    clock.at += timedelta(hours=1)
    ask("PUT", "/policies/default", user="admin", body=quick())

    ask("POST", "/policies/default/rebase", user="admin", body={})

    assert due_at(lead_id)["first_response"] == "2026-01-26T11:00:00.000+08:00"


def test_leads_that_follow_another_policy_now_are_left_to_it(world: TestWorld) -> None:
    lead_id = arrive(world)
    ask("PUT", "/policies/hot", user="admin", body=quick(when={"source": "standard"}))
    ask("PUT", "/policies/default", user="admin", body=quick("PT3H"))

    default = ask("POST", "/policies/default/rebase", user="admin", body={}).body
    hot = ask("POST", "/policies/hot/rebase", user="admin", body={}).body

    assert (default["changed"], hot["changed"]) == (0, 1)
    assert due_at(lead_id)["first_response"] == "2026-01-26T09:30:00.000+08:00"


def test_a_rebase_goes_on_page_by_page(world: TestWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    leads = [arrive(world, phone=f"+861380013800{number}") for number in range(3)]
    leads.append(arrive(world, owner="rep-zhao", team="huanan", phone="+8613900139000"))
    ask("PUT", "/policies/default", user="admin", body=quick())
    monkeypatch.setattr(rebasing, "MOST_WRITTEN", 2)
    monkeypatch.setattr(previewing, "MOST_EXAMINED", 3)

    tried = [ask("POST", "/policies/default/preview", user="admin", body=quick()).body]
    tried.append(
        ask("POST", "/policies/default/preview", user="admin", body=quick(), query={"cursor": tried[0]["cursor"]}).body
    )
    done = [ask("POST", "/policies/default/rebase", user="admin", body={}).body]
    done.append(ask("POST", "/policies/default/rebase", user="admin", body={"cursor": done[0]["cursor"]}).body)

    assert [(page["leads"], page["cursor"] is None) for page in tried] == [(3, False), (1, True)]
    assert [(page["changed"], page["cursor"] is None) for page in done] == [(2, False), (2, True)]
    assert {due_at(lead)["first_response"] for lead in leads} == {"2026-01-26T09:30:00.000+08:00"}


def test_a_lead_that_somebody_changes_meanwhile_is_read_again(
    world: TestWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_id = arrive(world)
    ask("PUT", "/policies/default", user="admin", body=quick())
    commit, calls = world.store.commit, []

    def somebody_is_first(change: Change) -> Committed:
        calls.append(change.lead_id)
        if len(calls) == 1:
            event = Happening("source.event", world.now(), "source:standard", {})
            commit(Change(lead_id, world.now(), lead=change.lead, happenings=(event,)))
        return commit(change)

    monkeypatch.setattr(world.store, "commit", somebody_is_first)
    monkeypatch.setattr(world.store, "_sleep", lambda _: None)

    answer = ask("POST", "/policies/default/rebase", user="admin", body={})

    assert (answer.body["changed"], calls) == (1, [lead_id, lead_id])
    assert kinds(world, lead_id).count("clock.rebased") == 1


def test_one_lead_that_cannot_be_written_is_named_and_the_others_go_on(
    world: TestWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = [arrive(world, phone=f"+861380013800{number}") for number in range(3)]
    ask("PUT", "/policies/default", user="admin", body=quick())
    commit = world.store.commit

    def busy(change: Change) -> Committed:
        if change.lead_id == leads[1]:
            raise BusyError
        return commit(change)

    monkeypatch.setattr(world.store, "commit", busy)

    answer = ask("POST", "/policies/default/rebase", user="admin", body={})

    assert (answer.body["changed"], answer.body["failed"]) == (2, [leads[1]])


def test_the_same_key_rebases_once_and_answers_the_same(world: TestWorld) -> None:
    arrive(world)
    ask("PUT", "/policies/default", user="admin", body=quick())

    first = ask("POST", "/policies/default/rebase", user="admin", body={}, key="k")
    again = ask("POST", "/policies/default/rebase", user="admin", body={}, key="k")
    other = ask("POST", "/policies/default/rebase", user="admin", body={"cursor": "aHVhZG9uZw"}, key="k")

    assert first.body == again.body
    assert (first.body["changed"], other.status) == (1, 409)


@pytest.mark.parametrize("cursor", ["%", "aHVhZG9uZw", "bW9vbi8wMUFSWjNOREVLVFNWNFJSRkZRNjlHNUZBVg"])
def test_a_cursor_of_another_list_is_refused(world: TestWorld, cursor: str) -> None:
    tried = ask("POST", "/policies/default/preview", user="wangfang", body=quick(), query={"cursor": cursor})
    done = ask("POST", "/policies/default/rebase", user="wangfang", body={"cursor": cursor})

    assert [(each.status, each.body["field"]) for each in (tried, done)] == [(422, "cursor")] * 2


def test_an_unknown_policy_cannot_be_rebased(world: TestWorld) -> None:
    assert ask("POST", "/policies/nothing/rebase", user="admin", body={}).status == 404


def breach(world: TestWorld, lead_id: str) -> None:
    """Let the sweep find what is late."""
    lead = world.store.lead(lead_id)
    assert lead is not None
    happened = [each for running in lead.clocks for each in clocks_of.wake(running, world.now())[0]]
    world.store.commit(Change(lead_id, world.now(), lead=lead, happenings=tuple(happened)))
