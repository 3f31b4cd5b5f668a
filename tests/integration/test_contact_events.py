"""What WeCom tells of a contact that was added long ago: edited, deleted, handed over, or gone by themselves."""

import json
from datetime import timedelta
from typing import Any

import pytest

from functions.ingest.replay import handler as replay
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Event
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.every_source import stored
from tests.integration.test_wecom import CONTACT, contact_event, count_leads, lead_of, posted, take
from tests.integration.webhooks import Context

EDIT = {"ChangeType": "edit_external_contact"}
CHANGES = {
    "edited by the rep": (EDIT, "edited"),
    "deleted by the rep": ({"ChangeType": "del_external_contact"}, "deleted"),
    "left by the customer": ({"ChangeType": "del_follow_user"}, "removed_by_customer"),
    "handed over": ({"ChangeType": "del_external_contact", "Source": "DELETE_BY_TRANSFER"}, "transferred"),
    "not handed over": ({"ChangeType": "transfer_fail", "FailReason": "customer_refused"}, "transfer_failed"),
}


class Desk:
    """WeCom, one message after the other, a minute apart."""

    def __init__(self, world: TestWorld, clock: TimeTravel) -> None:
        self.world, self.clock, self.number = world, clock, 0

    def tell(self, **changes: str) -> None:
        self.number += 1
        self.clock.at += timedelta(minutes=1)
        event = posted(contact_event(self.clock(), **changes), self.clock())
        assert take(event, f"request-{self.number}") == (200, "success")

    @property
    def lead(self) -> Lead:
        return lead_of(self.world)

    def trail(self, kind: str) -> list[Event]:
        return [event for event in self.world.store.trail(self.lead.lead_id) if event.kind == kind]

    def waiting(self) -> list[Any]:
        """What stands in the outbox for the worker that asks WeCom."""
        rows = self.world.store.items("OUTBOX#@enrich")
        return [json.loads(row["facts"]["S"]) for row in rows]

    def parked(self) -> list[tuple[str, str]]:
        receipts = [row for (_, sort), row in stored(self.world).items() if sort == "RECEIPT"]
        return [(row["outcome"]["S"], row["reason"]["S"]) for row in receipts if "reason" in row]


@pytest.fixture
def desk(world: TestWorld, clock: TimeTravel) -> Desk:
    return Desk(world, clock)


@pytest.mark.parametrize(("changes", "word"), CHANGES.values(), ids=CHANGES.keys())
def test_what_happens_to_a_contact_stands_on_the_trail_and_starts_no_clock(
    desk: Desk, changes: dict[str, str], word: str
) -> None:
    desk.tell()
    before = desk.lead

    desk.tell(**changes)

    [changed] = desk.trail("contact.changed")
    assert (changed.facts["change"], changed.facts["userid"]) == (word, "zhangsan")
    assert to_text(changed.occurred_at) == to_text(desk.clock())
    assert CONTACT not in str(changed)
    assert (desk.lead.clocks, desk.lead.sources, desk.lead.owner) == (before.clocks, before.sources, before.owner)
    assert count_leads(desk.world) == 1


@pytest.mark.parametrize(("changes", "word"), CHANGES.values(), ids=CHANGES.keys())
def test_wecoms_three_tries_are_one_event(desk: Desk, changes: dict[str, str], word: str) -> None:
    desk.tell()
    said = contact_event(desk.clock(), **changes)

    for number in range(3):
        take(posted(said, desk.clock(), nonce=f"nonce-{number}"), f"try-{number}")

    assert [event.facts["change"] for event in desk.trail("contact.changed")] == [word]


def test_an_edited_contact_is_asked_about_again_and_a_deleted_one_is_not(desk: Desk) -> None:
    desk.tell()
    asked_once = len(desk.waiting())

    desk.tell(**EDIT)
    after_edit = len(desk.waiting())
    desk.tell(ChangeType="del_external_contact")

    assert (asked_once, after_edit, len(desk.waiting())) == (1, 2, 2)
    assert {(row["provider"], row["ref"], row["userid"]) for row in desk.waiting()} == {("wecom", CONTACT, "zhangsan")}


@pytest.mark.parametrize("changes", [changes for changes, _ in CHANGES.values()], ids=CHANGES.keys())
def test_a_change_of_somebody_unknown_is_parked_with_its_reason(desk: Desk, changes: dict[str, str]) -> None:
    desk.tell(**changes)

    assert count_leads(desk.world) == 0
    assert desk.parked() == [("parked", "这位联系人没有对应的线索")]


def test_a_change_that_comes_before_its_contact_joins_it_afterwards_and_once(desk: Desk) -> None:
    desk.tell(**EDIT)
    desk.tell()
    for _ in range(3):
        desk.clock.at += timedelta(minutes=5)
        replay({}, Context())

    [changed] = desk.trail("contact.changed")

    assert changed.facts["change"] == "edited"
    assert desk.parked() == []
    assert [each.rule for each in desk.lead.clocks] == ["first_response", "no_progress"]


def test_a_half_added_contact_is_a_lead_and_its_completion_one_more_source(desk: Desk) -> None:
    desk.tell(ChangeType="add_half_external_contact")

    desk.tell()

    assert count_leads(desk.world) == 1
    assert (len(desk.lead.sources), len(desk.lead.clocks)) == (2, 2)


def test_who_is_added_by_a_second_rep_after_the_first_was_left_stays_one_lead(desk: Desk) -> None:
    desk.tell()
    desk.tell(ChangeType="del_follow_user")

    desk.tell(UserID="lisi")

    assert count_leads(desk.world) == 1
    assert (desk.lead.owner, len(desk.lead.sources)) == ("rep-zhang", 2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ChangeType": "msg_audit_approved"}, "暂不处理的企业微信事件：msg_audit_approved"),
        ({"Event": "change_external_tag", "ChangeType": "create"}, "暂不处理的企业微信事件：create"),
        ({"ExternalUserID": ""}, "事件中没有外部联系人"),
        ({"ChangeType": "edit_external_contact", "ExternalUserID": ""}, "事件中没有外部联系人"),
    ],
    ids=["another change", "another event", "an addition of nobody", "an edit of nobody"],
)
def test_what_says_nothing_of_a_contact_is_parked_with_its_reason(
    desk: Desk, changes: dict[str, str], reason: str
) -> None:
    desk.tell(**changes)

    assert count_leads(desk.world) == 0
    assert desk.parked() == [("parked", reason)]
