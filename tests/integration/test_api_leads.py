import hashlib
import json
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest

from leadtrail.domain import lifecycle
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.trail import Happening
from leadtrail.services import watch
from leadtrail.services.ports import Change, Listed
from tests.builders import call
from tests.integration.conftest import SETTINGS, TestWorld, TimeTravel
from tests.integration.people import arrive, ask

HOUR = timedelta(hours=1)


def names(query: dict[str, str], user: str = "chenzong") -> list[str]:
    return [item["name"] for item in ask("GET", "/leads", user=user, query=query).body["items"]]


def sweep(world: TestWorld) -> None:
    watch.sweep(store=world.store, config=world.config, now=world.now())


def test_a_list_shows_leads_newest_first_with_masked_numbers(world: TestWorld, clock: TimeTravel) -> None:
    first = arrive(world, name="王小明")
    clock.at += timedelta(minutes=1)
    second = arrive(world, name="", phone="+8613900139000")

    page = ask("GET", "/leads").body

    assert [item["id"] for item in page["items"]] == [second, first]
    assert [item["name"] for item in page["items"]] == ["未留名", "王小明"]
    assert page["cursor"] is None
    lead = page["items"][1]
    assert lead["phone"] == "138****8000"
    assert lead["received_at"] == "2026-01-26T09:00:00.000+08:00"
    assert lead["sources"] == [{"source": "standard", "at": "2026-01-26T09:00:00.000+08:00"}]
    assert (lead["owner"], lead["team"], lead["stage"], lead["risk"]) == ("rep-zhang", "huadong", "新线索", [])
    assert lead["clocks"][0] == {
        "rule": "first_response",
        "state": "running",
        "due_at": "2026-01-26T11:00:00.000+08:00",
    }
    assert lead["version"] == 4
    assert "contact" not in lead


@pytest.mark.parametrize(
    ("user", "seen"),
    [
        ("zhangsan", ["甲"]),
        ("lisi", ["乙"]),
        ("zhaoliu", ["丙"]),
        ("wangfang", ["乙", "甲"]),
        ("sunli", ["丙"]),
        ("chenzong", ["丙", "乙", "甲"]),
        ("admin", ["丙", "乙", "甲"]),
    ],
)
def test_everybody_sees_what_is_theirs(world: TestWorld, clock: TimeTravel, user: str, seen: list[str]) -> None:
    for owner, team, name in (
        ("rep-zhang", "huadong", "甲"),
        ("rep-li", "huadong", "乙"),
        ("rep-zhao", "huanan", "丙"),
    ):
        arrive(world, owner=owner, team=team, name=name, phone=f"+861380013800{ord(name) % 10}")
        clock.at += timedelta(seconds=1)

    assert names({}, user) == seen
    assert names({"q": seen[0]}, user) == seen[:1]


@pytest.mark.parametrize(
    "query", [{}, {"late": "true"}, {"q": "客"}, {"team": "huadong"}, {"owner": "rep-zhang"}], ids=str
)
def test_pages_follow_each_other_without_a_gap_or_a_repetition(
    world: TestWorld, clock: TimeTravel, query: dict[str, str]
) -> None:
    for number in range(5):
        arrive(world, name=f"客户{number}", phone=f"+861380013800{number}")
        clock.at += timedelta(seconds=1)
    clock.at += 3 * HOUR
    sweep(world)

    pages, cursor = [], None
    while True:
        asked = {**query, "limit": "2", **({"cursor": cursor} if cursor else {})}
        page = ask("GET", "/leads", user="chenzong", query=asked).body
        pages.append([item["name"] for item in page["items"]])
        cursor = page["cursor"]
        if cursor is None:
            break

    assert [len(page) for page in pages] == [2, 2, 1]
    assert {name for page in pages for name in page} == {f"客户{number}" for number in range(5)}


def test_late_leads_come_from_the_risk_index_the_worst_first(world: TestWorld, clock: TimeTravel) -> None:
    arrive(world, name="旧")
    clock.at += HOUR
    arrive(world, name="新", phone="+8613900139000", team="huanan", owner="rep-zhao")
    arrive(world, name="快", phone="+8613900139001")
    clock.at += timedelta(hours=1, minutes=10)
    sweep(world)

    assert names({"late": "true"}) == ["旧"]
    assert names({"risk": "超时未响应"}) == ["旧"]
    assert names({"late": "false"}) == ["快", "新"] or names({"late": "false"}) == ["新", "快"]
    assert names({"late": "true"}, "zhangsan") == ["旧"]
    assert names({"late": "true"}, "sunli") == []


def test_a_search_finds_a_whole_number_in_any_spelling_and_a_part_of_a_name(world: TestWorld) -> None:
    arrive(world, name="欧阳小明", phone="+8613800138000")
    arrive(world, name="Li Lei", phone="+8613900139000")

    assert names({"q": "138 0013-8000"}) == ["欧阳小明"]
    assert names({"q": "+86 13900139000"}) == ["Li Lei"]
    assert names({"q": "13800138001"}) == []
    assert names({"q": "阳小"}) == ["欧阳小明"]
    assert names({"q": "li l"}) == ["Li Lei"]
    assert names({"q": "13800138000"}, "zhaoliu") == []
    assert names({"q": "1380013"}) == []


def test_an_empty_parameter_asks_for_nothing(world: TestWorld) -> None:
    arrive(world)

    assert names({"owner": "", "team": "", "stage": "", "risk": "", "late": "", "q": "", "cursor": ""}) == ["王小明"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"late": "perhaps"}, "late"),
        ({"risk": "bad"}, "risk"),
        ({"cursor": "%%%"}, "cursor"),
        ({"cursor": "bm90IGEgcGxhY2U"}, "cursor"),
        ({"cursor": "好"}, "cursor"),
        ({"colour": "red"}, "colour"),
        ({"stage": "x" * 65}, "stage"),
    ],
    ids=str,
)
def test_a_query_that_makes_no_sense_names_its_field(world: TestWorld, query: dict[str, str], field: str) -> None:
    reply = ask("GET", "/leads", query=query)

    assert (reply.status, reply.body["field"], reply.body["code"]) == (422, field, "invalid-input")
    assert reply.is_problem


def test_a_lead_shows_its_contact_in_clear_and_keeps_who_read_it(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)

    lead = ask("GET", f"/leads/{lead_id}", user="wangfang").body

    assert lead["contact"] == {"name": "王小明", "phones": ["+8613800138000"], "emails": []}
    assert lead["phone"] == "138****8000"
    [row] = world.store.items(f"PERSON#{lead['person_id']}", prefix="READ#")
    assert json.loads(row["doc"]["S"]) == {"lead": lead_id, "by": "mgr-wang", "at": "2026-01-26T01:00:00.000Z"}


def canonical(value: Any) -> bytes:
    """The canonical form as the wire contract tells it to strangers; nothing of ours is used."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return unicodedata.normalize("NFC", text).encode()


def test_a_stranger_can_recompute_every_seal_of_a_trail(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world, text={"留言": "请下午联系"})
    clock.at += timedelta(minutes=20)
    ask("POST", f"/leads/{lead_id}/touches", body=touch(clock(), note="已约周三"))

    items = ask("GET", f"/leads/{lead_id}/trail").body["items"]

    head = "0" * 64
    for seq, event in enumerate(items, start=1):
        left_out = ("seal", "text", "erased")
        sealed = {name: value for name, value in event.items() if name not in left_out}
        assert (event["seq"], event["prev"]) == (seq, head)
        assert hashlib.sha256(canonical(sealed)).hexdigest() == event["seal"]
        head = event["seal"]
    assert items[0]["text"] == {"留言": "请下午联系"}
    assert {event["kind"]: event["text"] for event in items}["touch.recorded"] == {"note": "已约周三"}
    assert ask("GET", f"/leads/{lead_id}/verify").body["head"] == head


def touch(at: datetime, **more: Any) -> dict[str, Any]:
    return {"kind": "call", "direction": "out", "occurred_at": at.isoformat(), "talk_s": 60, **more}


def test_a_trail_goes_on_at_its_cursor(world: TestWorld) -> None:
    lead_id = arrive(world)

    first = ask("GET", f"/leads/{lead_id}/trail", query={"limit": "3"}).body
    second = ask("GET", f"/leads/{lead_id}/trail", query={"limit": "3", "cursor": first["cursor"]}).body

    assert [event["seq"] for event in first["items"] + second["items"]] == [1, 2, 3, 4]
    assert second["cursor"] is None
    assert ask("GET", f"/leads/{lead_id}/trail", query={"cursor": "eHg"}).status == 422


def test_an_erased_person_leaves_a_trail_that_still_holds(world: TestWorld) -> None:
    lead_id = arrive(world, text={"留言": "请下午联系"})
    person_id = ask("GET", f"/leads/{lead_id}").body["person_id"]
    client().delete_item(TableName=SETTINGS.table, Key={"PK": {"S": f"PERSON#{person_id}"}, "SK": {"S": "CONTACT"}})

    received = ask("GET", f"/leads/{lead_id}/trail").body["items"][0]
    lead = ask("GET", f"/leads/{lead_id}").body

    assert (received["text"], received["erased"]) == (None, True)
    assert received["text_hash"] is not None
    assert ask("GET", f"/leads/{lead_id}/verify").body["whole"] is True
    assert (lead["name"], lead["phone"], lead["contact"]) == ("未留名", None, None)


def client() -> Any:
    return boto3.client("dynamodb")


def test_a_whole_trail_verifies_up_to_today(world: TestWorld) -> None:
    lead_id = arrive(world, text={"留言": "你好"})

    found = ask("GET", f"/leads/{lead_id}/verify").body

    assert {**found, "head": ""} == {
        "whole": True,
        "events": 4,
        "head": "",
        "fold_matches": True,
        "anchored_until_seq": 0,
        "broken": None,
    }


@pytest.mark.parametrize(
    ("sort", "update", "seq", "why"),
    [
        ("EVENT#00000002", "SET actor = :x", 2, "内容与封印不符"),
        ("EVENT#00000003", "SET prev = :x", 3, "与上一条事件的封印不衔接"),
        ("EVENT#00000001", "SET cipher = :x", 1, "文字无法解密"),
        ("EVENT#00000002", None, 2, "事件缺失"),
        ("EVENT#00000004", None, 4, "事件缺失"),
    ],
    ids=["changed", "cut loose", "text swapped", "one missing", "the tail missing"],
)
def test_tampering_is_named_by_its_first_event(
    world: TestWorld, sort: str, update: str | None, seq: int, why: str
) -> None:
    lead_id = arrive(world, text={"留言": "你好"})
    key = {"PK": {"S": f"LEAD#{lead_id}"}, "SK": {"S": sort}}
    if update is None:
        client().delete_item(TableName=SETTINGS.table, Key=key)
    else:
        values = {":x": {"S": "0" * 40}}
        client().update_item(
            TableName=SETTINGS.table, Key=key, UpdateExpression=update, ExpressionAttributeValues=values
        )

    found = ask("GET", f"/leads/{lead_id}/verify").body

    assert (found["whole"], found["fold_matches"]) == (False, False)
    assert found["broken"] == {"seq": seq, "why": why}
    assert ask("GET", f"/leads/{lead_id}/trail").status == 200


def test_a_projection_that_says_something_else_does_not_match(world: TestWorld) -> None:
    lead_id = arrive(world)
    key = {"PK": {"S": f"LEAD#{lead_id}"}, "SK": {"S": "LEAD"}}
    item = client().get_item(TableName=SETTINGS.table, Key=key)["Item"]
    forged = item["lead"]["S"].replace("rep-zhang", "rep-li")
    client().put_item(TableName=SETTINGS.table, Item={**item, "lead": {"S": forged}})

    found = ask("GET", f"/leads/{lead_id}/verify", user="chenzong").body

    assert (found["whole"], found["fold_matches"]) == (True, False)


def test_a_clock_explains_its_due_time_and_lists_its_alerts(world: TestWorld, clock: TimeTravel) -> None:
    clock.at += timedelta(hours=2)
    lead_id = arrive(world)
    clock.at += timedelta(hours=4)
    sweep(world)

    items = ask("GET", f"/leads/{lead_id}/clocks").body["items"]

    first = items[0]
    assert (first["rule"], first["episode"], first["state"], first["certainty"]) == (
        "first_response",
        1,
        "breached",
        "published",
    )
    assert first["due_at"] == first["breached_at"] == "2026-01-26T14:30:00.000+08:00"
    assert first["met_at"] is None
    assert first["policy"] == {"name": "default", "version": 1}
    assert first["explain"] == ["01-26(周一) 11:00–12:00 计1小时", "01-26(周一) 13:30–14:30 计1小时"]
    assert [(alert["level"], alert["audience"], alert["sent_at"]) for alert in first["alerts"]] == [(1, "owner", None)]
    assert [item["rule"] for item in items] == ["first_response", "no_progress"]


def test_a_clock_says_what_did_not_count_and_why_and_what_was_promised(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    clock.at += HOUR
    until = (clock() + timedelta(days=1)).isoformat()
    asked = {"until": until, "reason": "customer-away", "note": "客户出差，周二回来", "rules": ["first_response"]}
    ask("POST", f"/leads/{lead_id}/pause", body=asked)

    first = ask("GET", f"/leads/{lead_id}/clocks").body["items"][0]

    assert (first["state"], first["paused_until"]) == ("paused", "2026-01-27T10:00:00.000+08:00")
    assert first["pauses"] == [
        {"from": "2026-01-26T10:00:00.000+08:00", "until": "2026-01-27T10:00:00.000+08:00", "reason": "客户休假或出差"}
    ]
    assert (first["title"], first["budget"]) == ("首次响应", "2个工作小时")
    assert first["due_at"] == "2026-01-27T11:00:00.000+08:00"
    assert [(level["level"], level["to"]) for level in first["levels"]] == [
        (1, "owner"),
        (2, "manager"),
        (3, "director"),
    ]
    assert first["history"][-1] == "01-26(周一) 10:00 暂停计时至 01-27(周二) 10:00（客户休假或出差）"
    assert (first["corrected"], first["corrected_at"], first["rebased"]) == (False, None, [])


def test_a_breach_that_proved_to_be_none_is_marked_and_so_is_its_alert(world: TestWorld, clock: TimeTravel) -> None:
    began, lead_id = clock(), arrive(world)
    clock.at += 3 * HOUR
    sweep(world)
    lead = world.store.lead(lead_id)
    assert lead is not None
    policy = world.config.company().policies["default"]
    touched = call(began + HOUR)
    happenings = lifecycle.touch(lead, touched, timing=Timing(policy, world.config.calendar(policy)), now=clock())
    world.store.commit(Change(lead_id=lead_id, recorded_at=clock(), lead=lead, happenings=happenings))

    first = ask("GET", f"/leads/{lead_id}/clocks").body["items"][0]

    assert (first["state"], first["breached_at"]) == ("met", None)
    assert (first["corrected"], first["corrected_at"]) == (True, "2026-01-26T12:00:00.000+08:00")
    assert [alert["retracted"] for alert in first["alerts"]] == [True]


@pytest.mark.parametrize(
    ("field", "name"), [("stage", "谈恋爱"), ("team", "beiji"), ("owner", "rep-nobody")], ids=["stage", "team", "owner"]
)
def test_a_name_that_nobody_configured_is_refused_and_named(world: TestWorld, field: str, name: str) -> None:
    arrive(world, name="王小明")

    refused = ask("GET", "/leads", user="chenzong", query={field: name})

    assert (refused.status, refused.body["field"]) == (422, field)


def test_a_stage_that_no_lead_is_in_is_an_empty_list(world: TestWorld) -> None:
    arrive(world, name="王小明")

    asked = ask("GET", "/leads", user="chenzong", query={"stage": "方案确认"})

    assert (asked.status, asked.body["items"]) == (200, [])


def test_a_stage_is_read_from_its_own_index_however_many_leads_the_team_has(
    world: TestWorld, clock: TimeTravel, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = arrive(world, name="王小明")
    clock.at += timedelta(minutes=1)
    arrive(world, name="李大力", phone="+8613900139000")
    lead = world.store.lead(wanted)
    assert lead is not None
    moved = Happening(
        "stage.changed", clock(), "rep:rep-zhang", {"from": lead.stage, "to": "方案确认", "gate": "legacy"}
    )
    world.store.commit(Change(lead_id=wanted, recorded_at=clock(), lead=lead, happenings=[moved]))
    asked: list[str] = []
    real = world.store.listed

    def listed(listing: str, name: str, **more: Any) -> Iterator[Listed]:
        asked.append(listing)
        return real(listing, name, **more)

    monkeypatch.setattr(world.store, "listed", listed)

    page = ask("GET", "/leads", user="wangfang", query={"stage": "方案确认"}).body

    assert [item["id"] for item in page["items"]] == [wanted]
    assert asked == ["stage"]


def test_a_number_that_stands_in_a_name_is_masked_in_lists_and_clear_where_the_reading_is_kept(
    world: TestWorld,
) -> None:
    lead_id = arrive(world, name="张三13988880099 转介绍13988880098")

    listed = ask("GET", "/leads", user="chenzong").body["items"][0]["name"]
    whole = ask("GET", f"/leads/{lead_id}", user="chenzong").body

    assert listed == "张三139****0099 转介绍139****0098"
    assert whole["contact"]["name"] == "张三13988880099 转介绍13988880098"
