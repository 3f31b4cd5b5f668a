"""Who is told, and by which way: the person before the group, a deputy for who is away, managers among themselves."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from leadtrail.domain.company import Channel, Company, Rep, Team, read_channel, read_rep
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.quiet import Quiet
from leadtrail.domain.routing import Route, routes
from tests.builders import NINE

NINE_ZONE = ZoneInfo("Asia/Shanghai")
AWAY = ((NINE - timedelta(days=1), NINE + timedelta(days=1)),)
PEOPLE = (
    Rep("rep-li", "李四", "rep", "east", "lisi"),
    Rep("rep-zhao", "赵六", "rep", "east", "zhaoliu"),
    Rep("rep-qian", "钱七", "rep", "east"),
    Rep("mgr-wang", "王芳", "manager", "east", "wangfang"),
    Rep("mgr-sun", "孙丽", "manager", "south", "sunli"),
    Rep("dir-chen", "陈总", "director", "", "chenzong"),
)
APP = Channel("app", "wecom-app", ("owner", "manager", "director"), "app")
GROUP = Channel("east-group", "wecom", ("owner", "team"), "group", team="east")
MANAGERS = Channel("managers", "dingtalk", ("manager", "director"), "managers")
MAIL = Channel("mail", "mail", ("owner", "manager", "director"), "mail")


def company(*channels: Channel, **changes: dict[str, Any]) -> Company:
    """Return a company of six with these channels; ``changes`` by rep id, with _ for -."""
    reps = {rep.id: replace(rep, **changes.get(rep.id.replace("-", "_"), {})) for rep in PEOPLE}
    return Company(
        stamp=1,
        name="示例",
        zone="Asia/Shanghai",
        teams={"east": Team("east", "华东"), "south": Team("south", "华南")},
        reps=reps,
        sources={},
        channels={channel.id: channel for channel in channels},
        policies={},
    )


EVERYTHING = (APP, GROUP, MANAGERS, MAIL)
LI, WANG, CHEN = (
    Route("rep-li", ("app", "east-group")),
    Route("mgr-wang", ("app", "managers")),
    Route("dir-chen", ("app", "managers")),
)
ZHAO = Route("rep-zhao", ("app", "east-group"))
CASES: dict[str, tuple[Company, str, str | None, tuple[Route, ...]]] = {
    "an owner's matter comes to the owner's phone, then to the group": (
        company(*EVERYTHING),
        "owner",
        "rep-li",
        (LI,),
    ),
    "mail is the last of the ways": (
        company(*EVERYTHING, rep_li={"email": "li@example.com"}),
        "owner",
        "rep-li",
        (Route("rep-li", ("app", "east-group", "mail")),),
    ),
    "an owner without WeCom hears in the group": (
        company(*EVERYTHING),
        "owner",
        "rep-qian",
        (Route(None, ("east-group",)),),
    ),
    "without a group, an owner without WeCom gets mail": (
        company(APP, MAIL, rep_qian={"email": "qian@example.com"}),
        "owner",
        "rep-qian",
        (Route("rep-qian", ("mail",)),),
    ),
    "behind a group, mail is the last resort, too": (
        company(*EVERYTHING, rep_qian={"email": "qian@example.com"}),
        "owner",
        "rep-qian",
        (Route(None, ("east-group", "mail")),),
    ),
    "nobody's lead is the manager's matter": (company(*EVERYTHING), "owner", None, (WANG,)),
    "so is the lead of somebody whom nobody knows": (company(*EVERYTHING), "owner", "rep-gone", (WANG,)),
    "an owner who is away is stood in for": (
        company(*EVERYTHING, rep_li={"away": AWAY, "deputy": "rep-zhao"}),
        "owner",
        "rep-li",
        (ZHAO,),
    ),
    "one who left is, too": (
        company(*EVERYTHING, rep_li={"active": False, "deputy": "rep-zhao"}),
        "owner",
        "rep-li",
        (ZHAO,),
    ),
    "a deputy's deputy's deputy stands in": (
        company(
            *EVERYTHING,
            rep_li={"away": AWAY, "deputy": "rep-qian"},
            rep_qian={"away": AWAY, "deputy": "mgr-sun"},
            mgr_sun={"away": AWAY, "deputy": "rep-zhao"},
        ),
        "owner",
        "rep-li",
        (ZHAO,),
    ),
    "a fourth does not": (
        company(
            *EVERYTHING,
            rep_li={"away": AWAY, "deputy": "rep-qian"},
            rep_qian={"away": AWAY, "deputy": "mgr-sun"},
            mgr_sun={"away": AWAY, "deputy": "dir-chen"},
            dir_chen={"away": AWAY, "deputy": "rep-zhao"},
        ),
        "owner",
        "rep-li",
        (WANG,),
    ),
    "two who stand in for one another leave it to the manager": (
        company(
            *EVERYTHING,
            rep_li={"away": AWAY, "deputy": "rep-zhao"},
            rep_zhao={"away": AWAY, "deputy": "rep-li"},
        ),
        "owner",
        "rep-li",
        (WANG,),
    ),
    "away without a deputy is the manager's matter": (
        company(*EVERYTHING, rep_li={"away": AWAY}),
        "owner",
        "rep-li",
        (WANG,),
    ),
    "each manager of the team is told, and no other's": (
        company(*EVERYTHING, mgr_sun={"team": "east"}),
        "manager",
        "rep-li",
        (Route("mgr-sun", ("app", "managers")), WANG),
    ),
    "a manager who is away is left to the one who is here": (
        company(*EVERYTHING, mgr_sun={"team": "east", "away": AWAY}),
        "manager",
        "rep-li",
        (WANG,),
    ),
    "managers who are all away are told all the same": (
        company(*EVERYTHING, mgr_wang={"away": AWAY}),
        "manager",
        "rep-li",
        (WANG,),
    ),
    "managers without WeCom share their robot": (
        company(*EVERYTHING, mgr_sun={"team": "east", "wecom_userid": None}),
        "manager",
        "rep-li",
        (WANG, Route(None, ("managers",))),
    ),
    "a robot of managers is enough where no manager is configured": (
        company(GROUP, MANAGERS, mgr_wang={"active": False}),
        "manager",
        "rep-li",
        (Route(None, ("managers",)),),
    ),
    "without any manager the director is told": (
        company(APP, GROUP, mgr_wang={"active": False}),
        "manager",
        "rep-li",
        (Route("dir-chen", ("app",)),),
    ),
    "each director is told": (company(*EVERYTHING), "director", "rep-li", (CHEN,)),
    "without any director the manager is told": (
        company(*EVERYTHING, dir_chen={"active": False}),
        "director",
        "rep-li",
        (Route(None, ("managers",)),),
    ),
    "the pool's word is for the manager": (company(*EVERYTHING), "pool", "rep-li", (WANG,)),
    "the team hears in its group": (company(*EVERYTHING), "team", "rep-li", (Route(None, ("east-group",)),)),
    "a managers' matter never comes to the team's group": (
        company(replace(GROUP, audiences=("owner", "team", "manager", "director"))),
        "manager",
        "rep-li",
        (),
    ),
    "another team's robot is no way": (company(replace(MANAGERS, team="south")), "manager", "rep-li", ()),
    "where there is no channel nobody can be reached": (company(), "owner", "rep-li", ()),
    "where the group is the only channel it is the way": (
        company(GROUP),
        "owner",
        "rep-li",
        (Route(None, ("east-group",)),),
    ),
    "where owners have no channel their managers hear": (
        company(MANAGERS),
        "owner",
        "rep-li",
        (Route(None, ("managers",)),),
    ),
}


@pytest.mark.parametrize(("known", "audience", "owner", "expected"), CASES.values(), ids=CASES.keys())
def test_who_is_told(known: Company, audience: str, owner: str | None, expected: tuple[Route, ...]) -> None:
    found = routes(known, audience, team="east", owner=owner, now=NINE)

    assert found == expected


def test_the_teams_own_robot_is_tried_before_the_companys() -> None:
    known = company(replace(GROUP, id="a-company", team=None), GROUP)

    [route] = routes(known, "owner", team="east", owner="rep-li", now=NINE)

    assert route.channels == ("east-group", "a-company")


def test_a_report_is_pushed_to_a_group_and_to_no_application() -> None:
    channel = company(APP, MAIL, MANAGERS).channel_for("manager", "east")

    assert channel == MANAGERS


NIGHT = {"from": "21:00", "to": "08:00", "except": ["director"]}


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        pytest.param("20:59", None, id="before"),
        pytest.param("21:00", "2026-01-27T08:00:00+08:00", id="as it begins"),
        pytest.param("00:30", "2026-01-26T08:00:00+08:00", id="after midnight"),
        pytest.param("08:00", None, id="as it ends"),
    ],
)
def test_quiet_hours_last_over_midnight(now: str, ends: str | None) -> None:
    channel = read_channel("group", {"bot": "wecom", "audiences": ["owner"], "secret": "s", "quiet": NIGHT})
    assert isinstance(channel.quiet, Quiet)

    found = channel.quiet.ends(datetime.fromisoformat(f"2026-01-26T{now}:00+08:00"), NINE_ZONE)

    assert found == (datetime.fromisoformat(ends) if ends else None)


def test_quiet_hours_within_a_day_end_that_day() -> None:
    channel = read_channel(
        "group", {"bot": "wecom", "audiences": ["owner"], "secret": "s", "quiet": {"from": "12:00", "to": "13:30"}}
    )
    assert channel.quiet is not None

    found = channel.quiet.ends(datetime.fromisoformat("2026-01-26T12:30:00+08:00"), NINE_ZONE)

    assert found == datetime.fromisoformat("2026-01-26T13:30:00+08:00")


WRONG_CHANNELS: dict[str, dict[str, Any]] = {
    "channel.group.bot": {"bot": "pigeon"},
    "channel.group.audiences": {"audiences": ["everybody"]},
    "channel.group.quiet": {"quiet": {"from": "21:00"}},
    "channel.group.quiet.from": {"quiet": {"from": "25:00", "to": "08:00"}},
    "channel.group.quiet.to": {"quiet": {"from": "21:00", "to": "21:00"}},
    "channel.group.quiet.except": {"quiet": {**NIGHT, "except": "director"}},
}


@pytest.mark.parametrize(("place", "change"), WRONG_CHANNELS.items(), ids=WRONG_CHANNELS.keys())
def test_a_channels_mistake_is_named(place: str, change: dict[str, Any]) -> None:
    body = {"bot": "wecom", "audiences": ["owner"], "secret": "s", **change}

    with pytest.raises(InvalidInputError) as refused:
        read_channel("group", body)

    assert refused.value.facts["field"] == place


@pytest.mark.parametrize(
    ("field", "value"),
    [("deputy", "rep-li"), ("deputy", ""), ("email", "no address"), ("hourly", 0), ("hourly", True), ("hourly", 5000)],
    ids=str,
)
def test_a_reps_mistake_is_named(field: str, value: object) -> None:
    body = {"name": "李四", "role": "rep", "team": "east", field: value}

    with pytest.raises(InvalidInputError) as refused:
        read_rep("rep-li", body, zone="Asia/Shanghai")

    assert refused.value.facts["field"] == f"rep.rep-li.{field}"
