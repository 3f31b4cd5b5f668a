import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from functions.reports import daily, link
from functions.sla import sweep
from leadtrail.services import links
from tests.integration.conftest import SETTINGS, TestWorld, TimeTravel
from tests.integration.people import Reply, arrive, ask
from tests.integration.webhooks import Context

PHONE = "Mozilla/5.0 (iPhone) MicroMessenger/8.0 wxwork/4.1"
DAY = "2026-01-26"


class FunctionCalls:
    """Lambda as the API sees it: hand-overs, kept in order."""

    def __init__(self) -> None:
        self.handed_over: list[tuple[str, str, Any]] = []

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803 - boto3's names
        self.handed_over.append((FunctionName, InvocationType, json.loads(Payload)))


@pytest.fixture
def functions(world: TestWorld) -> FunctionCalls:
    made = FunctionCalls()
    world.functions = made
    return made


@pytest.fixture
def report_id(world: TestWorld, clock: TimeTravel) -> str:
    """Today's report of huadong with one late lead, an hour after the breach."""
    arrive(world, name="王小明")
    clock.at += timedelta(hours=3, minutes=30)
    sweep.handler({}, Context())
    return make("huadong")


def make(team: str, day: str = DAY) -> str:
    [made] = daily.handler({"team": team, "day": day}, Context())["reports"]
    return str(made)


def click(url: str, *, agent: str = PHONE, method: str = "GET", **headers: str) -> dict[str, Any]:
    token = url.rsplit("/r/", 1)[1]
    event = {
        "version": "2.0",
        "rawPath": f"/r/{token}",
        "headers": {"user-agent": agent, **headers},
        "pathParameters": {"token": token},
        "requestContext": {"http": {"method": method, "path": f"/r/{token}", "sourceIp": "203.0.113.77"}},
    }
    return link.handler(event, Context())


def listed(user: str = "wangfang", **query: str) -> Reply:
    return ask("GET", "/reports", user=user, query=query)


def link_of(user: str = "wangfang") -> str:
    return str(listed(user).body["items"][0]["link"])


def openings(world: TestWorld, url: str) -> list[tuple[str, str]]:
    hashed = world.reports.hash_link(url.rsplit("/r/", 1)[1])
    return [(opening.recipient, opening.address) for opening in world.reports.openings(hashed)]


def reconfigure(world: TestWorld, rep_id: str, **changes: Any) -> None:
    body = world.config.configured("rep", rep_id)
    assert body is not None
    world.config.put("rep", rep_id, {**body, **changes}, now=world.now())


def test_a_managers_link_opens_the_report_for_five_minutes(world: TestWorld, report_id: str) -> None:
    answer = click(link_of())

    address = answer["headers"]["location"]
    assert answer["statusCode"] == 302
    assert int(parse_qs(urlsplit(address).query)["X-Amz-Expires"][0]) <= 300
    page = requests.get(address, timeout=5)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "高危线索预警日报" in page.text
    assert answer["headers"]["cache-control"] == "no-store"


def test_each_opening_is_kept_with_its_recipient_and_a_masked_address(world: TestWorld, report_id: str) -> None:
    url = link_of()

    click(url)
    click(url)

    assert openings(world, url) == [("rep:mgr-wang", "203.0.113.*")] * 2


@pytest.mark.parametrize(
    ("agent", "headers"),
    [
        ("DingTalkBot-LinkService/1.0 (+https://open.dingtalk.com)", {}),
        ("Mozilla/5.0 (compatible; WeWork LinkPreview)", {}),
        (PHONE, {"purpose": "prefetch"}),
        (PHONE, {"sec-purpose": "prefetch;prerender"}),
    ],
    ids=["dingtalk", "preview", "purpose", "sec-purpose"],
)
def test_a_chat_preview_is_answered_and_is_no_opening(
    world: TestWorld, report_id: str, agent: str, headers: dict[str, str]
) -> None:
    url = link_of()

    answer = click(url, agent=agent, **headers)

    assert answer["statusCode"] == 302
    assert openings(world, url) == []


def test_the_token_rests_nowhere_in_the_table(world: TestWorld, report_id: str) -> None:
    token = link_of().rsplit("/r/", 1)[1]

    items = world.dynamodb.scan(TableName=SETTINGS.table)["Items"]

    assert len(token) == 43
    assert token not in json.dumps(items, default=str)


def test_a_link_dies_after_three_days_with_a_friendly_page(world: TestWorld, clock: TimeTravel, report_id: str) -> None:
    url = link_of()
    clock.at += timedelta(hours=72)

    answer = click(url)

    assert answer["statusCode"] == 410
    assert "链接已失效" in answer["body"]
    assert answer["headers"]["content-type"] == "text/html; charset=utf-8"
    assert openings(world, url) == []


@pytest.mark.parametrize(
    "change", ["A", "", "x" * 500, "%00", "../LINK"], ids=["other", "short", "long", "nul", "path"]
)
def test_a_tampered_link_is_not_found(world: TestWorld, report_id: str, change: str) -> None:
    url = link_of()

    answer = click(url[:-1] + ("_" if url[-1] == change else change))

    assert answer["statusCode"] == 404
    assert "没有找到这个链接" in answer["body"]


def test_revoking_ends_every_link_that_was_handed_out_and_new_ones_work(world: TestWorld, report_id: str) -> None:
    to_manager, to_director = link_of(), link_of("chenzong")
    to_channel = links.make_report_link(
        report_id, recipient="channel:managers", reports=world.reports, public_base_url="", now=world.now()
    )

    reply = ask("DELETE", f"/reports/{report_id}/links", user="wangfang")

    assert (reply.status, reply.body) == (204, None)
    assert [click(url)["statusCode"] for url in (to_manager, to_director, to_channel)] == [410] * 3
    assert click(link_of())["statusCode"] == 302
    assert ask("DELETE", f"/reports/{report_id}/links", user="chenzong").status == 204
    assert click(link_of())["statusCode"] == 302


@pytest.mark.parametrize(
    "change",
    [{"active": False}, {"team": "huanan"}, {"role": "rep"}],
    ids=["left the company", "changed teams", "is no manager any more"],
)
def test_a_recipient_who_may_not_see_it_any_more_is_turned_away(
    world: TestWorld, report_id: str, change: dict[str, Any]
) -> None:
    url = link_of()
    reconfigure(world, "mgr-wang", **change)

    answer = click(url)

    assert answer["statusCode"] == 410


def test_a_report_link_in_the_teams_own_group_opens_nothing(world: TestWorld, report_id: str) -> None:
    url = links.make_report_link(
        report_id, recipient="channel:huadong-group", reports=world.reports, public_base_url="", now=world.now()
    )

    answer = click(url)

    assert answer["statusCode"] == 410


def test_a_lead_link_shows_the_lead_with_its_clocks_and_trail(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world, name="<b>王</b>", text={"note": "秘密"})
    clock.at += timedelta(hours=3)
    sweep.handler({}, Context())
    url = links.make_lead_link(
        lead_id, recipient="channel:huadong-group", reports=world.reports, public_base_url="", now=world.now()
    )

    answer = click(url)

    assert answer["statusCode"] == 200
    for shown in (
        "&lt;b&gt;王&lt;/b&gt;",
        "138****8000",
        "首次响应",
        "已超时",
        "01-26(周一) 09:00–11:00 计2小时",
        "张三",
    ):
        assert shown in answer["body"]
    assert "13800138000" not in answer["body"]
    assert "秘密" not in answer["body"]
    assert answer["headers"]["cache-control"] == "no-store"
    assert "default-src 'none'" in answer["headers"]["content-security-policy"]
    assert answer["headers"]["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("recipient", "status"),
    [
        ("rep:rep-zhang", 200),
        ("rep:rep-li", 410),
        ("rep:mgr-wang", 200),
        ("rep:mgr-sun", 410),
        ("rep:dir-chen", 200),
        ("rep:nobody", 410),
        ("channel:managers", 200),
        ("channel:huanan-group", 410),
        ("channel:gone", 410),
    ],
)
def test_a_lead_link_opens_for_those_who_may_see_the_lead(world: TestWorld, recipient: str, status: int) -> None:
    lead_id = arrive(world)
    url = links.make_lead_link(lead_id, recipient=recipient, reports=world.reports, public_base_url="", now=world.now())

    answer = click(url)

    assert answer["statusCode"] == status


def test_the_list_names_what_a_manager_needs(world: TestWorld, report_id: str) -> None:
    reply = listed(kind="daily", team="huadong", day=DAY)

    [item] = reply.body["items"]
    assert (reply.status, reply.body["cursor"]) == (200, None)
    assert {key: item[key] for key in ("id", "kind", "team", "day", "version")} == {
        "id": report_id,
        "kind": "daily",
        "team": "huadong",
        "day": DAY,
        "version": 1,
    }
    assert item["tags"] == {"超时未响应": 1, "反复退回同一阶段": 0, "连续3次跳过SOP项": 0}
    assert item["link"].startswith("http://127.0.0.1:4566/r/")


@pytest.mark.parametrize(
    ("user", "query", "status", "teams"),
    [
        ("zhangsan", {}, 403, None),
        ("wangfang", {}, 200, ["huadong"]),
        ("sunli", {}, 200, ["huanan"]),
        ("sunli", {"team": "huadong"}, 404, None),
        ("chenzong", {}, 200, ["huadong", "huanan"]),
        ("admin", {"team": "huanan"}, 200, ["huanan"]),
        ("admin", {"team": "nowhere"}, 404, None),
        ("wangfang", {"day": "2026-02-30"}, 422, None),
        ("wangfang", {"kind": "hourly"}, 422, None),
        ("wangfang", {"cursor": "rubbish"}, 422, None),
    ],
)
def test_reports_are_listed_for_those_who_answer_for_the_team(
    world: TestWorld, clock: TimeTravel, user: str, query: dict[str, str], status: int, teams: list[str] | None
) -> None:
    for team in ("huadong", "huanan"):
        make(team)

    reply = listed(user, **query)

    assert reply.status == status
    assert teams is None or sorted(item["team"] for item in reply.body["items"]) == teams


def test_the_list_goes_on_where_its_cursor_says(world: TestWorld, clock: TimeTravel) -> None:
    clock.at += timedelta(days=3)
    made = {make(team, day) for team in ("huadong", "huanan") for day in ("2026-01-26", "2026-01-27", "2026-01-28")}

    seen: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        body = listed("chenzong", limit="2", **cursor).body
        seen += body["items"]
        if body["cursor"] is None:
            break
        cursor = {"cursor": body["cursor"]}

    assert {item["id"] for item in seen} == made
    assert len(seen) == 6
    assert [item["day"] for item in seen] == sorted((item["day"] for item in seen), reverse=True)


@pytest.mark.parametrize(
    ("user", "body", "status"),
    [
        ("wangfang", {"team": "huadong", "day": DAY}, 202),
        ("chenzong", {"team": "huanan", "day": "2026-01-25"}, 202),
        ("zhangsan", {"team": "huadong", "day": DAY}, 403),
        ("sunli", {"team": "huadong", "day": DAY}, 404),
        ("admin", {"team": "nowhere", "day": DAY}, 404),
        ("admin", {"team": "huadong", "day": "2026-01-27"}, 422),
        ("admin", {"team": "huadong", "day": "26.1.2026"}, 422),
        ("admin", {"team": "huadong", "day": "0001-01-01"}, 422),
        ("admin", {"team": "huadong", "day": DAY, "now": "2026-01-27"}, 422),
    ],
)
def test_a_report_is_ordered_by_those_who_answer_for_the_team(
    world: TestWorld, functions: FunctionCalls, user: str, body: dict[str, str], status: int
) -> None:
    reply = ask("POST", "/reports/daily", user=user, body=body)

    assert reply.status == status
    ordered = [("daily-test", "Event", {"team": body["team"], "day": body["day"]})]
    assert functions.handed_over == (ordered if status == 202 else [])


def test_an_ordered_report_has_the_id_that_was_answered(world: TestWorld, functions: FunctionCalls) -> None:
    reply = ask("POST", "/reports/daily", user="wangfang", body={"team": "huadong", "day": DAY})
    [(_, _, event)] = functions.handed_over

    made = daily.handler(event, Context())["reports"]

    assert made == [reply.body["id"]]
    assert [item["id"] for item in listed().body["items"]] == made


def test_the_same_order_under_the_same_key_is_handed_over_once(world: TestWorld, functions: FunctionCalls) -> None:
    body = {"team": "huadong", "day": DAY}

    first = ask("POST", "/reports/daily", user="wangfang", body=body, key="k1")
    second = ask("POST", "/reports/daily", user="wangfang", body=body, key="k1")
    other = ask("POST", "/reports/daily", user="wangfang", body={**body, "day": "2026-01-23"}, key="k1")

    assert (first.status, second.status, other.status) == (202, 202, 409)
    assert first.body == second.body
    assert len(functions.handed_over) == 1


@pytest.mark.parametrize(
    ("user", "status"), [("zhangsan", 403), ("sunli", 404), ("wangfang", 204), ("chenzong", 204), ("admin", 204)]
)
def test_links_are_revoked_by_those_who_answer_for_the_team(
    world: TestWorld, report_id: str, user: str, status: int
) -> None:
    reply = ask("DELETE", f"/reports/{report_id}/links", user=user)

    assert reply.status == status


@pytest.mark.parametrize("unknown", ["01KFYC0000N6RT0TN710F4DRGZ", "x", "%00"])
def test_links_of_a_report_that_is_not_there_are_not_found(world: TestWorld, unknown: str) -> None:
    reply = ask("DELETE", f"/reports/{unknown}/links", user="admin")

    assert reply.status == 404
