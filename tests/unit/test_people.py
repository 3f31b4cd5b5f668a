from datetime import UTC, datetime, timedelta

import pytest

from functions.api import cursor
from leadtrail.domain.errors import ForbiddenError, IdempotencyMismatchError, InvalidInputError, NotFoundError
from leadtrail.domain.lead import Lead
from leadtrail.services import people
from leadtrail.services.idempotency import Command
from leadtrail.services.people import Caller

NINE = datetime(2026, 1, 26, 1, tzinfo=UTC)
REP = Caller("rep-zhang", "张三", "rep", "huadong")
MANAGER = Caller("mgr-wang", "王芳", "manager", "huadong")
DIRECTOR = Caller("dir-chen", "陈总", "director", "")


def lead(owner: str | None = "rep-zhang", team: str = "huadong") -> Lead:
    return Lead("L", "P", "standard", NINE, team, "新线索", NINE, owner=owner)


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        ("[manager rep]", ("manager", "rep")),
        ('["manager","rep"]', ("manager", "rep")),
        ("rep", ("rep",)),
        (["admin"], ("admin",)),
        ("[]", ()),
        (None, ()),
        (7, ()),
    ],
    ids=str,
)
def test_groups_are_read_in_every_spelling_of_a_gateway(claim: object, groups: tuple[str, ...]) -> None:
    assert people.groups(claim) == groups


@pytest.mark.parametrize(
    ("caller", "someone", "sees"),
    [
        (REP, lead(), True),
        (REP, lead(owner="rep-li"), False),
        (REP, lead(owner=None), False),
        (REP, lead(team="huanan"), True),
        (MANAGER, lead(owner=None), True),
        (MANAGER, lead(team="huanan"), False),
        (Caller("mgr-x", "无组", "manager", ""), lead(team=""), False),
        (DIRECTOR, lead(owner=None, team=""), True),
        (people.NOBODY, lead(owner="", team=""), False),
    ],
)
def test_a_lead_is_seen_by_its_owner_their_manager_and_the_director(caller: Caller, someone: Lead, sees: bool) -> None:
    assert caller.sees(someone) is sees


def test_what_is_not_there_and_what_is_not_mine_are_answered_alike() -> None:
    for someone in (None, lead(owner="rep-li")):
        with pytest.raises(NotFoundError):
            people.visible(someone, REP)


def test_only_those_who_lead_people_may_do_what_managers_do() -> None:
    people.require_lead_of_people(MANAGER)

    with pytest.raises(ForbiddenError):
        people.require_lead_of_people(REP)


def test_a_command_is_the_same_whatever_the_order_of_its_fields() -> None:
    first = Command.of("rep-zhang", "tap", "POST /leads", {"a": 1, "b": [2]})

    assert first == Command.of("rep-zhang", "tap", "POST /leads", {"b": [2], "a": 1})
    assert first.key != Command.of("rep-li", "tap", "POST /leads", {"a": 1, "b": [2]}).key


def test_a_key_used_for_something_else_is_a_mismatch() -> None:
    known = Command.of("rep-zhang", "tap", "POST /leads", {"a": 1}).receipt({"id": "x"}, lead_id=None, now=NINE)

    assert Command.of("rep-zhang", "tap", "POST /leads", {"a": 1}).repeated(known) == {"id": "x"}
    assert known.expires_at == NINE + timedelta(hours=24)
    for other in (("POST /leads", {"a": True}), ("POST /leads", {"a": "1"}), ("POST /others", {"a": 1})):
        with pytest.raises(IdempotencyMismatchError):
            Command.of("rep-zhang", "tap", *other).repeated(known)


@pytest.mark.parametrize("place", ["01KFVX14M0ZPWN9P7WP1BKJ57X", "8#2026-01-26T01:00:00.000Z#01KF", 12])
def test_a_cursor_reads_back_as_the_place_it_was_made_of(place: str | int) -> None:
    assert cursor.read(cursor.write(place)) == str(place)


@pytest.mark.parametrize("text", ["%%%", "5L2g", "a", "eHg", "LTE", "MTIzNDU2Nzg5"])
def test_a_cursor_that_counts_is_a_number(text: str) -> None:
    with pytest.raises(InvalidInputError, match="cursor"):
        cursor.number(text)
