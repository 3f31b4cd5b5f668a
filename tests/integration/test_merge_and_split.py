"""Two leads become one and two again: trails, identities, contacts and counts, through the people's API on moto."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.ingest.webhook import handler
from leadtrail.domain import lead as leads_of
from leadtrail.domain import lifecycle
from leadtrail.domain.identity import Identity
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Happening, verify
from leadtrail.services import explaining, watch
from leadtrail.services.ports import Alert, Change, Committed, ConflictError, IdentityRow
from tests.integration.conftest import NINE, TestWorld, TimeTravel
from tests.integration.people import Reply, arrive, ask
from tests.integration.webhooks import Context, lead_created

FIRST, SECOND = "+8613800138000", "+8613900139000"
HOUR = timedelta(hours=1)
REASON = "客户来电确认是同一个人"


def read(world: TestWorld, lead_id: str) -> Lead:
    found = world.store.lead(lead_id)
    assert found is not None
    return found


def identified(world: TestWorld, phone: str) -> IdentityRow | None:
    return world.store.identified(Identity("phone", phone))


def contact_of(world: TestWorld, lead_id: str) -> Any:
    person_id = read(world, lead_id).person_id
    return world.store.persons([person_id])[person_id].contact


def merge(lead_id: str, other: str, *, user: str = "wangfang", key: str | None = None, **more: Any) -> Reply:
    return ask("POST", f"/leads/{lead_id}/merge", user=user, body={"other": other, "reason": REASON} | more, key=key)


def split(lead_id: str, other: str, *, user: str = "wangfang", key: str | None = None) -> Reply:
    return ask("POST", f"/leads/{lead_id}/split", user=user, body={"other": other, "reason": REASON}, key=key)


def touch(lead_id: str, clock: TimeTravel, *, user: str = "zhangsan") -> Reply:
    said = {"kind": "call", "direction": "out", "occurred_at": clock().isoformat(), "talk_s": 60}
    return ask("POST", f"/leads/{lead_id}/touches", user=user, body=said)


def check_whole(world: TestWorld, *lead_ids: str) -> None:
    """Every trail holds, and its fold is what the table says."""
    for lead_id in lead_ids:
        events = world.store.trail(lead_id)
        assert verify(events) is None
        assert leads_of.fold(events) == read(world, lead_id)
        answer = ask("GET", f"/leads/{lead_id}/verify", user="chenzong").body
        assert (answer["whole"], answer["fold_matches"]) == (True, True)


@pytest.fixture
def two(world: TestWorld, clock: TimeTravel) -> tuple[str, str]:
    """Two leads of two persons, ten minutes apart; the younger is 李四's."""
    older = arrive(world, name="", phone=FIRST)
    clock.at += timedelta(minutes=10)
    younger = arrive(world, name="王小明", phone=SECOND, owner="rep-li")
    clock.at += timedelta(minutes=10)
    return older, younger


def test_a_merge_is_two_events_that_seal_each_others_head(world: TestWorld, two: tuple[str, str]) -> None:
    older, younger = two
    before = {lead_id: read(world, lead_id) for lead_id in two}

    reply = merge(younger, older)

    assert (reply.status, reply.body) == (
        200,
        {"winner": older, "loser": younger, "version": read(world, older).seq},
    )
    won = next(event for event in world.store.trail(older) if event.kind == "lead.merged")
    lost = next(event for event in world.store.trail(younger) if event.kind == "lead.merged_into")
    for event, other in ((won, before[younger]), (lost, before[older])):
        assert (event.facts["other"], event.facts["other_seq"]) == (other.lead_id, other.seq)
        assert event.facts["other_head"] == other.head
        assert event.actor == "rep:mgr-wang"
    assert (read(world, younger).status, read(world, younger).merged_into) == ("merged", older)
    assert [clock.state for clock in read(world, younger).clocks] == ["cancelled", "cancelled"]
    check_whole(world, *two)


def test_the_reason_is_told_in_words_and_rests_encrypted(world: TestWorld, two: tuple[str, str]) -> None:
    merge(*two)

    for lead_id in two:
        [event] = [each for each in world.store.trail(lead_id) if each.kind.startswith("lead.merged")]
        shown = ask("GET", f"/leads/{lead_id}/trail", user="chenzong").body["items"][event.seq - 1]
        assert shown["text"] == {"reason": REASON}
        assert REASON not in str(event)


def test_identities_and_contact_go_to_the_winner(world: TestWorld, two: tuple[str, str]) -> None:
    older, younger = two

    merge(older, younger)

    for phone in (FIRST, SECOND):
        assert identified(world, phone) == IdentityRow(read(world, older).person_id, older)
    contact = contact_of(world, older)
    assert (contact.name, contact.phones) == ("王小明", (FIRST, SECOND))
    assert contact_of(world, younger).phones == (SECOND,)


def test_who_writes_from_the_losers_number_comes_to_the_winner(
    world: TestWorld, clock: TimeTravel, two: tuple[str, str]
) -> None:
    merge(*two)

    handler(lead_created(clock(), message_id="m9", phone=SECOND), Context())

    assert [entry.source for entry in read(world, two[0]).sources] == ["standard", "standard", "standard"]
    check_whole(world, *two)


def test_a_named_winner_wins_though_it_is_younger(world: TestWorld, two: tuple[str, str]) -> None:
    older, younger = two

    reply = merge(older, younger, winner=younger)

    assert (reply.body["winner"], reply.body["loser"]) == (younger, older)
    check_whole(world, *two)


def test_whoever_reached_the_loser_has_answered_the_winner(
    world: TestWorld, clock: TimeTravel, two: tuple[str, str]
) -> None:
    older, younger = two
    touch(younger, clock, user="lisi")
    touched_at = clock()
    clock.at += timedelta(minutes=5)

    merge(older, younger)

    won = read(world, older)
    first = won.clock("first_response", 1)
    second = won.clock("second_touch", 1)
    assert first is not None
    assert (first.state, first.met_at) == ("met", touched_at)
    assert second is not None
    assert (second.state, second.started_at) == ("running", touched_at)
    assert (won.touches, won.first_touch_at, won.first_touch_reported) == (1, touched_at, True)
    check_whole(world, *two)


def snapshot(world: TestWorld, lead_ids: tuple[str, str]) -> dict[str, Any]:
    """What a merge and its split must leave as it was."""
    leads = [read(world, lead_id) for lead_id in lead_ids]
    people = {lead.person_id for lead in leads}
    return {
        "people": world.store.persons(people),
        "identities": {person: world.store.identities_of(person) for person in people},
        "loads": world.store.loads(["rep-zhang", "rep-li", "rep-zhao"]),
        "leads": [
            (lead.status, lead.stage, lead.owner, lead.sources, lead.touches, lead.merged_into) for lead in leads
        ],
        "touched": [(lead.first_touch_at, lead.first_touch_reported, lead.last_touch_at) for lead in leads],
    }


@dataclass(frozen=True, slots=True)
class History:
    """Two leads before they are merged and split; ``is_turned``: the younger wins."""

    is_one_person: bool
    touches: tuple[int, int]
    is_turned: bool
    merges: int


histories = st.builds(
    History, st.booleans(), st.tuples(st.integers(0, 2), st.integers(0, 2)), st.booleans(), st.integers(1, 2)
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories)
def test_a_merge_and_its_split_leave_everything_as_it_was(
    world: TestWorld, clock: TimeTravel, history: History
) -> None:
    number = int(clock().timestamp()) % 10**8
    first = arrive(world, phone=f"+86138{number:08d}")
    clock.at += timedelta(seconds=61)
    if history.is_one_person:
        second = ask("POST", f"/leads/{first}/deals", body={"reason": "另有一个采购项目"}).body["id"]
    else:
        second = arrive(world, phone=f"+86139{number:08d}", owner="rep-li", name="")
    for lead_id, often in zip((first, second), history.touches, strict=True):
        for _ in range(often):
            clock.at += timedelta(minutes=1)
            assert touch(lead_id, clock, user="wangfang").status == 201
    clock.at += timedelta(minutes=1)
    before = snapshot(world, (first, second))

    for _ in range(history.merges):
        assert merge(first, second, winner=second if history.is_turned else first).status == 200
        check_whole(world, first, second)
        clock.at += timedelta(minutes=1)
        assert split(first, second).status == 200
        clock.at += timedelta(minutes=1)

    assert snapshot(world, (first, second)) == before
    check_whole(world, first, second)


def test_what_the_merge_had_answered_is_owed_again_after_the_split(
    world: TestWorld, clock: TimeTravel, two: tuple[str, str]
) -> None:
    older, younger = two
    touch(younger, clock, user="lisi")
    merge(older, younger)
    clock.at += timedelta(minutes=5)

    split(older, younger)

    states = {(each.rule, each.episode): each.state for each in read(world, older).clocks}
    assert states == {("first_response", 1): "running", ("no_progress", 1): "running", ("second_touch", 1): "cancelled"}
    again = {(each.rule, each.episode): each.state for each in read(world, younger).clocks}
    assert again[("first_response", 1)] == "met"
    assert again[("second_touch", 2)] == again[("no_progress", 2)] == "running"
    check_whole(world, *two)


def test_what_the_loser_owed_runs_on_as_after_a_pause_and_says_so(
    world: TestWorld, clock: TimeTravel, two: tuple[str, str]
) -> None:
    older, younger = two
    touch(younger, clock, user="lisi")
    before = {each["rule"]: each for each in ask("GET", f"/leads/{younger}/clocks", user="lisi").body["items"]}
    clock.at += timedelta(minutes=5)
    merge(older, younger)
    clock.at += timedelta(hours=1)

    split(older, younger)

    clocks = ask("GET", f"/leads/{younger}/clocks", user="lisi").body["items"]
    after = {each["rule"]: each for each in clocks if each["episode"] == 2}
    assert set(after) == {"second_touch", "no_progress"}
    span = {"from": "2026-01-26T09:25:00.000+08:00", "until": "2026-01-26T10:25:00.000+08:00"}
    pause = span | {"reason": "合并到另一条线索期间"}
    for rule, each in after.items():
        assert (each["started_at"], each["pauses"]) == (before[rule]["started_at"], [pause])
        assert datetime.fromisoformat(each["due_at"]) - datetime.fromisoformat(before[rule]["due_at"]) == HOUR
    assert after["second_touch"]["explain"] == [
        "自然时间 01-26(周一) 09:20 至 01-26(周一) 09:25 计5分",
        "自然时间 01-26(周一) 10:25 至 01-29(周四) 10:20 计71小时55分",
        "01-26(周一) 09:25 至 01-26(周一) 10:25 暂停，不计时",
    ]
    assert after["no_progress"]["explain"][0].startswith("01-26(周一) 09:10–09:25 计15分")
    check_whole(world, *two)


def test_a_merge_and_its_split_hide_no_lateness_and_tell_nobody_twice(
    world: TestWorld, clock: TimeTravel, two: tuple[str, str]
) -> None:
    older, younger = two
    clock.at = NINE + timedelta(hours=2, minutes=10)
    before = sweep(world)
    merge(older, younger)
    clock.at += timedelta(minutes=5)
    split(older, younger)
    clock.at += timedelta(minutes=1)

    after = sweep(world)

    assert sorted((alert.lead_id, alert.level) for alert in before) == [(older, 1), (younger, 1)]
    assert after == ()
    late = read(world, younger).clock("first_response", 2)
    assert late is not None
    assert (late.is_late, late.level, late.breached_at) == (True, 1, clock() - timedelta(minutes=6))
    assert explaining.overdue_words(late, clock(), config=world.config) == "1分(工作时间)"
    check_whole(world, *two)


def sweep(world: TestWorld) -> tuple[Alert, ...]:
    return watch.sweep(store=world.store, config=world.config, now=world.now()).alerts


def test_what_came_later_stays_with_the_winner(world: TestWorld, clock: TimeTravel, two: tuple[str, str]) -> None:
    older, younger = two
    touch(younger, clock, user="lisi")
    clock.at += timedelta(minutes=1)
    merge(older, younger)
    clock.at += timedelta(minutes=1)
    touch(older, clock)
    touched_at = clock()
    clock.at += timedelta(minutes=1)

    split(older, younger)

    won = read(world, older)
    first, second = won.clock("first_response", 1), won.clock("second_touch", 2)
    assert first is not None
    assert second is not None
    assert (won.touches, won.first_touch_at, first.met_at) == (1, touched_at, touched_at)
    assert (second.state, second.started_at) == ("running", touched_at)
    check_whole(world, *two)


def test_a_number_that_came_later_stays_too(world: TestWorld, clock: TimeTravel, two: tuple[str, str]) -> None:
    older, younger = two
    merge(older, younger)
    ask("POST", f"/leads/{older}/contact", body={"reason": "客户另留的号码", "phones": {"add": ["13600136000"]}})

    reply = split(younger, older)

    assert (reply.status, reply.body["winner"]) == (200, older)
    assert contact_of(world, older).phones == (FIRST, "+8613600136000")
    assert identified(world, SECOND) == IdentityRow(read(world, younger).person_id, younger)


Act = Callable[[str, str], Reply]
REFUSALS: dict[str, tuple[Act, int, str]] = {
    "a lead with itself": (lambda a, b: merge(a, a), 422, "invalid-input"),
    "a split from itself": (lambda a, b: split(a, a), 409, "not-merged"),
    "a split of what was never merged": (split, 409, "not-merged"),
    "a reason of three characters": (lambda a, b: merge(a, b, reason="同一人"), 422, "invalid-input"),
    "a reason of spaces": (lambda a, b: merge(a, b, reason=" " * 9), 422, "invalid-input"),
    "an unknown field": (lambda a, b: merge(a, b, forced=True), 422, "invalid-input"),
    "a third winner": (lambda a, b: merge(a, b, winner="01ARZ3NDEKTSV4RRFFQ69G5FAV"), 422, "invalid-input"),
    "a lead that is not there": (lambda a, b: merge(a, "01ARZ3NDEKTSV4RRFFQ69G5FAV"), 404, "not-found"),
    "no id": (lambda a, b: merge(a, "x" * 26), 404, "not-found"),
    "a rep": (lambda a, b: merge(a, b, user="zhangsan"), 403, "forbidden"),
    "another team's manager": (lambda a, b: merge(a, b, user="sunli"), 404, "not-found"),
}


@pytest.mark.parametrize(("act", "status", "code"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_merged_is_refused_by_name(
    world: TestWorld, two: tuple[str, str], act: Act, status: int, code: str
) -> None:
    reply = act(*two)

    assert (reply.status, reply.body["code"]) == (status, code)
    assert all(read(world, lead_id).is_open for lead_id in two)


def test_what_is_merged_is_not_merged_twice(world: TestWorld, two: tuple[str, str]) -> None:
    merge(*two, user="chenzong")

    again = merge(*two)

    assert (again.status, again.body["code"], again.body["merged_into"]) == (409, "already-merged", two[0])


def test_a_manager_merges_nothing_with_another_teams_lead(world: TestWorld, two: tuple[str, str]) -> None:
    foreign = arrive(world, team="huanan", owner="rep-zhao", phone="+8613700137000")

    assert merge(two[0], foreign).status == 404
    assert read(world, foreign).is_open


def test_a_closed_lead_is_not_merged(world: TestWorld, clock: TimeTravel, two: tuple[str, str]) -> None:
    older = read(world, two[0])
    closed = Happening("lead.closed", clock(), "rep:li", {"outcome": "won", "stage": "成交"})
    world.store.commit(Change(older.lead_id, clock(), lead=older, happenings=lifecycle.close(older, closed)))

    reply = merge(*two)

    assert (reply.status, reply.body["code"], reply.body["lead"]) == (409, "lead-closed", older.lead_id)


def test_two_that_were_merged_into_one_are_split_off_in_any_order(
    world: TestWorld, clock: TimeTravel, two: tuple[str, str]
) -> None:
    older, younger = two
    third = arrive(world, phone="+8613700137000")
    merge(older, younger)
    clock.at += timedelta(minutes=1)
    merge(older, third, winner=older)

    done = [split(older, younger).status, split(older, third).status]

    assert done == [200, 200]
    assert all(read(world, lead_id).is_open for lead_id in (older, younger, third))
    check_whole(world, older, younger, third)


def test_a_chain_of_merges_is_undone_from_the_outside_in(
    world: TestWorld, clock: TimeTravel, two: tuple[str, str]
) -> None:
    older, younger = two
    third = arrive(world, phone="+8613700137000")
    merge(younger, third)
    merge(older, younger)

    refused = split(younger, third)
    split(older, younger)
    done = split(younger, third)

    assert (refused.status, refused.body["code"], refused.body["merged_into"]) == (409, "already-merged", older)
    assert done.status == 200
    assert identified(world, "+8613700137000") == IdentityRow(read(world, third).person_id, third)
    check_whole(world, older, younger, third)


def test_the_same_key_merges_once_and_answers_the_same(world: TestWorld, two: tuple[str, str]) -> None:
    once = merge(*two, key="k1")
    again = merge(*two, key="k1")
    other = merge(*two, key="k1", winner=two[1])

    assert (again.status, again.body) == (200, once.body)
    assert (other.status, other.body["code"]) == (409, "idempotency-mismatch")
    assert [event.kind for event in world.store.trail(two[0])].count("lead.merged") == 1


def test_of_two_merges_at_once_one_wins_and_the_other_is_told(
    world: TestWorld, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    older, younger = two
    third = arrive(world, phone="+8613700137000")
    commit = world.store.commit_together
    raced: list[Reply] = []

    def overtaken(changes: list[Change]) -> tuple[Committed, ...]:
        if not raced:
            monkeypatch.setattr(world.store, "commit_together", commit)
            raced.append(merge(third, younger, winner=third))
        return commit(changes)

    monkeypatch.setattr(world.store, "commit_together", overtaken)
    reply = merge(older, younger)

    assert raced[0].status == 200
    assert (reply.status, reply.body["code"]) == (409, "already-merged")
    check_whole(world, older, younger, third)


def test_a_transaction_of_several_leads_stands_whole_or_not_at_all(world: TestWorld, two: tuple[str, str]) -> None:
    leads = [read(world, lead_id) for lead_id in two]
    noted = [
        Change(lead.lead_id, world.now(), lead=lead, happenings=[Happening("source.event", world.now(), "t")])
        for lead in leads
    ]
    world.store.commit(noted[1])

    with pytest.raises(ConflictError):
        world.store.commit_together(noted)

    assert read(world, two[0]) == leads[0]


def test_open_leads_are_counted_per_rep_and_once(world: TestWorld, clock: TimeTravel, two: tuple[str, str]) -> None:
    begun = world.store.loads(["rep-zhang", "rep-li", "rep-nobody"])

    merge(*two, key="k")
    merge(*two, key="k")
    merged = world.store.loads(["rep-zhang", "rep-li"])
    split(*two)

    assert begun == {"rep-zhang": 1, "rep-li": 1, "rep-nobody": 0}
    assert merged == {"rep-zhang": 1, "rep-li": 0}
    assert world.store.loads(["rep-zhang", "rep-li"]) == {"rep-zhang": 1, "rep-li": 1}


def test_the_count_follows_the_owner_and_the_end(world: TestWorld, clock: TimeTravel) -> None:
    lead_id = arrive(world)
    assigned = lifecycle.assign("rep-li", "huadong", clock(), by="handover")
    world.store.commit(Change(lead_id, clock(), lead=read(world, lead_id), happenings=[assigned]))
    handed = world.store.loads(["rep-zhang", "rep-li"])
    closed = Happening("lead.closed", clock(), "rep:li", {"outcome": "lost", "stage": "输单"})
    world.store.commit(Change(lead_id, clock(), lead=read(world, lead_id), happenings=[closed]))

    assert handed == {"rep-zhang": 0, "rep-li": 1}
    assert world.store.loads(["rep-li"]) == {"rep-li": 0}


def test_work_on_a_merged_lead_is_refused_and_names_where_it_goes_on(world: TestWorld, two: tuple[str, str]) -> None:
    older, younger = two
    merge(younger, older)
    touch = {"kind": "call", "direction": "out", "occurred_at": to_text(world.now()), "talk_s": 60}
    upload = {"lead_id": younger, "file_name": "a.wav", "size": 9, "content_type": "audio/wav", "consent": True}

    replies = [
        ask("POST", f"/leads/{younger}/touches", user="wangfang", body=touch),
        ask("POST", "/recordings", user="wangfang", body=upload),
    ]

    assert [(reply.status, reply.body["code"], reply.body["merged_into"]) for reply in replies] == [
        (409, "already-merged", older)
    ] * 2


def test_a_split_gives_clocks_back_under_the_policy_that_they_were_started_under(
    world: TestWorld, clock: TimeTravel, two: tuple[str, str]
) -> None:
    older, younger = two
    merge(younger, older)
    before = next(each for each in read(world, younger).clocks if each.rule == "first_response")
    body = ask("GET", "/policies/default", user="wangfang").body
    changed = {
        "calendar": body["calendar"],
        "rules": [{**rule, "budget": "PT9H"} if rule["name"] == "first_response" else rule for rule in body["rules"]],
    }
    ask("PUT", "/policies/default", user="wangfang", body=changed)
    clock.at += timedelta(minutes=5)

    split(younger, older)

    back = [each for each in read(world, younger).clocks if each.rule == "first_response"][-1]
    assert (back.policy_version, back.started_at) == (before.policy_version, before.started_at)
    assert back.due_at == before.due_at + timedelta(minutes=5)
