"""A message that waits follows its lead to another owner, and goes another way when its own is shut."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from leadtrail.domain.company import Channel, Company, Rep
from leadtrail.services.ports import OutboxRow
from leadtrail.services.rerouting import elsewhere, to_owner
from tests.builders import NINE, Story, timing

APP = Channel("app", "wecom-app", ("owner", "manager"), "app")
GROUP = Channel("group", "wecom", ("owner", "team"), "group", team="huadong")
MAIL = Channel("mail", "mail", ("owner", "manager"), "mail")
PEOPLE = (
    Rep("rep-li", "李四", "rep", "huadong", "lisi"),
    Rep("rep-zhao", "赵六", "rep", "huadong", "zhaoliu"),
    Rep("mgr-sun", "孙丽", "manager", "huadong", "sunli", email="sun@example.com"),
    Rep("mgr-wang", "王芳", "manager", "huadong", "wangfang", email="wang@example.com"),
)
COMPANY = Company(
    stamp=1,
    name="示例",
    zone="Asia/Shanghai",
    teams={},
    reps={rep.id: rep for rep in PEOPLE},
    sources={},
    channels={channel.id: channel for channel in (APP, GROUP, MAIL)},
    policies={},
)
LEAD = Story(timing()).lead  # 李四's
LATER = NINE + timedelta(minutes=5)


def row(**facts: Any) -> OutboxRow:
    known = {"audience": "owner", "to": "rep-li", "channels": ["app", "group"], "tried": []}
    return OutboxRow("app", "R", "alert", NINE, known | facts, attempts=2, unsure=1, failures=2)


def test_a_message_to_the_owner_stays_as_it_is() -> None:
    assert to_owner(row(), LEAD, company=COMPANY, now=LATER) == ()


def test_a_message_of_a_lead_that_was_handed_over_goes_to_the_new_owner() -> None:
    [moved] = to_owner(row(), replace(LEAD, owner="rep-zhao"), company=COMPANY, now=LATER)

    assert (moved.channel, moved.id, moved.facts["to"], moved.send_at) == ("app", "R", "rep-zhao", LATER)
    assert (moved.attempts, moved.unsure) == (0, 1)


def test_a_message_of_a_lead_that_is_nobodys_by_now_goes_to_each_manager() -> None:
    moved = to_owner(row(), replace(LEAD, owner=None), company=COMPANY, now=LATER)

    assert [one.facts["to"] for one in moved] == ["mgr-sun", "mgr-wang"]
    assert len({one.id for one in moved}) == 2


@pytest.mark.parametrize(
    "facts", [{"audience": "manager"}, {"audience": "director"}], ids=lambda facts: facts["audience"]
)
def test_a_managers_matter_stays_theirs_whoever_the_owner_is(facts: dict[str, str]) -> None:
    assert to_owner(row(**facts), replace(LEAD, owner="rep-zhao"), company=COMPANY, now=LATER) == ()


def test_the_next_channel_is_one_that_was_not_tried() -> None:
    [moved] = elsewhere(row(channels=["app", "gone", "group", "mail"]), LEAD, company=COMPANY, now=LATER)

    assert (moved.channel, moved.facts["tried"], moved.failures, moved.unsure) == ("group", ["app"], 0, 1)
    assert elsewhere(moved, LEAD, company=COMPANY, now=LATER)[0].channel == "mail"


def test_when_every_channel_was_tried_none_is_left() -> None:
    assert elsewhere(row(tried=["group"]), LEAD, company=COMPANY, now=LATER) == ()


def test_what_a_group_should_have_read_is_mailed_to_each_of_its_people() -> None:
    waiting = replace(row(audience="manager", to=None, channels=["robot", "mail"]), channel="robot")

    mails = elsewhere(waiting, LEAD, company=COMPANY, now=LATER)

    assert [(one.channel, one.facts["to"]) for one in mails] == [("mail", "mgr-sun"), ("mail", "mgr-wang")]
    assert len({one.id for one in mails}) == 2
