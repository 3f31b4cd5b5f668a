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


def order(user: str, *, key: str | None = None, **body: Any) -> Reply:
    return ask("POST", "/reports/daily", user=user, body={"team": "huadong", "day": DAY, **body}, key=key)


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


def test_a_chat_preview_is_answered_and_is_no_opening(world: TestWorld, report_id: str) -> None:
    url = link_of()

    answers = [
        click(url, agent="DingTalkBot-LinkService/1.0 (+https://open.dingtalk.com)"),
        click(url, agent="Mozilla/5.0 (compatible; WeWork LinkPreview)"),
        click(url, purpose="prefetch"),
        click(url, **{"sec-purpose": "prefetch;prerender"}),
        click(url, method="HEAD"),
    ]

    assert [answer["statusCode"] for answer in answers] == [302] * 5
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


def test_a_tampered_link_is_not_found(world: TestWorld, report_id: str) -> None:
    url = link_of()
    swapped = url[:-1] + ("A" if url[-1] != "A" else "B")

    answers = [click(tampered) for tampered in (swapped, url[:-1], url + "A", url + "x" * 500, url[:-1] + "%00")]

    assert [answer["statusCode"] for answer in answers] == [404] * 5
    assert "没有找到这个链接" in answers[0]["body"]


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


def test_a_lead_link_opens_for_those_who_may_see_the_lead(world: TestWorld) -> None:
    lead_id = arrive(world)
    wanted = {
        "rep:rep-zhang": 200,
        "rep:rep-li": 410,
        "rep:mgr-wang": 200,
        "rep:mgr-sun": 410,
        "rep:dir-chen": 200,
        "rep:nobody": 410,
        "channel:managers": 200,
        "channel:huanan-group": 410,
        "channel:gone": 410,
    }
    made = {
        to: links.make_lead_link(lead_id, recipient=to, reports=world.reports, public_base_url="", now=world.now())
        for to in wanted
    }

    answered = {recipient: click(url)["statusCode"] for recipient, url in made.items()}

    assert answered == wanted


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


def test_reports_are_listed_for_those_who_answer_for_the_team(world: TestWorld) -> None:
    for team in ("huadong", "huanan"):
        make(team)

    replies = {
        "a rep": listed("zhangsan"),
        "a manager": listed("wangfang"),
        "another manager": listed("sunli"),
        "another team's": listed("sunli", team="huadong"),
        "a director": listed("chenzong"),
        "one team": listed("admin", team="huanan"),
        "no such team": listed("admin", team="nowhere"),
    }

    teams = {
        who: sorted(item["team"] for item in reply.body["items"]) if reply.status == 200 else reply.status
        for who, reply in replies.items()
    }
    assert teams == {
        "a rep": 403,
        "a manager": ["huadong"],
        "another manager": ["huanan"],
        "another team's": 404,
        "a director": ["huadong", "huanan"],
        "one team": ["huanan"],
        "no such team": 404,
    }


def test_a_list_that_makes_no_sense_names_the_field(world: TestWorld) -> None:
    wrong = {"day": "2026-02-30", "kind": "hourly", "cursor": "rubbish", "limit": "0", "colour": "red"}

    replies = {field: listed(**{field: value}) for field, value in wrong.items()}

    assert {field: (reply.status, reply.body["field"]) for field, reply in replies.items()} == {
        field: (422, field) for field in wrong
    }


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


def test_a_report_is_ordered_by_those_who_answer_for_the_team(world: TestWorld, functions: FunctionCalls) -> None:
    asked = [("wangfang", "huadong"), ("chenzong", "huanan"), ("zhangsan", "huadong"), ("sunli", "huadong")]

    statuses = [order(user, team=team).status for user, team in asked]

    assert statuses == [202, 202, 403, 404]
    assert functions.handed_over == [
        ("daily-test", "Event", {"team": "huadong", "day": DAY}),
        ("daily-test", "Event", {"team": "huanan", "day": DAY}),
    ]


def test_an_order_that_makes_no_sense_is_refused_by_name(world: TestWorld, functions: FunctionCalls) -> None:
    wrong = [{"day": "2026-01-27"}, {"day": "26.1.2026"}, {"day": "0001-01-01"}, {"day": None}, {"now": "2026-01-27"}]

    replies = [order("admin", **field) for field in wrong]

    assert [(reply.status, reply.body["field"]) for reply in replies] == [(422, next(iter(field))) for field in wrong]
    assert order("admin", team="nowhere").status == 404
    assert functions.handed_over == []


def test_an_ordered_report_has_the_id_that_was_answered(world: TestWorld, functions: FunctionCalls) -> None:
    reply = order("wangfang")
    [(_, _, event)] = functions.handed_over

    made = daily.handler(event, Context())["reports"]

    assert made == [reply.body["id"]]
    assert [item["id"] for item in listed().body["items"]] == made


def test_the_same_order_under_the_same_key_is_handed_over_once(world: TestWorld, functions: FunctionCalls) -> None:
    first, second = order("wangfang", key="k1"), order("wangfang", key="k1")
    other = order("wangfang", key="k1", day="2026-01-23")

    assert (first.status, second.status, other.status) == (202, 202, 409)
    assert first.body == second.body
    assert len(functions.handed_over) == 1


def test_links_are_revoked_by_those_who_answer_for_the_team(world: TestWorld, report_id: str) -> None:
    users = ("zhangsan", "sunli", "wangfang", "chenzong", "admin")

    statuses = [ask("DELETE", f"/reports/{report_id}/links", user=user).status for user in users]

    assert statuses == [403, 404, 204, 204, 204]


def test_links_of_a_report_that_is_not_there_are_not_found(world: TestWorld) -> None:
    unknown = ("01KFYC0000N6RT0TN710F4DRGZ", "x", "%00")

    statuses = [ask("DELETE", f"/reports/{report_id}/links", user="admin").status for report_id in unknown]

    assert statuses == [404, 404, 404]
