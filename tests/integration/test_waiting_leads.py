"""A lead that found nobody free gets an owner later: by itself, from a manager, or by an operator's command."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from console import main
from functions.ingest.replay import handler as replay
from functions.ingest.webhook import handler
from functions.sla import dispatch
from leadtrail.domain import lead as leads_of
from leadtrail.domain import lifecycle
from leadtrail.domain.errors import BusyError
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Event, Happening
from leadtrail.services import handover
from leadtrail.services.handover import HandedOver
from leadtrail.services.ports import Change, Committed, ConflictError
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.people import Reply, arrive, ask
from tests.integration.test_sweep_and_dispatch import RobotNetwork, network
from tests.integration.webhooks import Context, lead_created

__all__ = ["network"]
REASON = "张三熟悉这个行业"


class Office:
    """华东一组, 李四 and 张三, with a cap of one lead each; customers come one after the other."""

    def __init__(self, world: TestWorld, clock: TimeTravel) -> None:
        self.world, self.clock, self.number = world, clock, 0
        self.agree(cap=1)

    def put(self, kind: str, name: str, **changes: Any) -> None:
        known = self.world.config.configured(kind, name) or {}
        self.world.config.put(kind, name, {**known, **changes}, now=self.clock())

    def agree(self, **assignment: Any) -> None:
        self.put("team", "huadong", assignment=assignment)

    def new(self, **data: Any) -> Lead:
        self.number += 1
        self.clock.at += timedelta(minutes=1)
        event = lead_created(
            self.clock(), message_id=f"m{self.number}", **{"phone": f"1380013{self.number:04d}", **data}
        )
        answer = handler(event, Context(f"request-{self.number}"))
        assert answer["statusCode"] == 200, answer
        return self.lead(json.loads(answer["body"])["id"])

    def full(self, waiting: int, **data: Any) -> list[str]:
        """Fill everybody up, and let more customers come; return the leads that wait."""
        for _ in range(2):
            assert self.new().owner is not None
        found = [self.new(**data) for _ in range(waiting)]
        assert {lead.owner for lead in found} == {None}
        return [lead.lead_id for lead in found]

    def lead(self, lead_id: str) -> Lead:
        lead = self.world.store.lead(lead_id)
        assert lead is not None
        return lead

    def owners(self, lead_ids: Sequence[str]) -> list[str | None]:
        return [self.lead(lead_id).owner for lead_id in lead_ids]

    def close(self, lead_id: str) -> None:
        lead = self.lead(lead_id)
        lost = Happening("lead.closed", self.clock(), "rep:rep-li", {"outcome": "lost", "stage": "输单"})
        self.world.store.commit(Change(lead_id, self.clock(), lead=lead, happenings=lifecycle.close(lead, lost)))

    def assigned(self, lead_id: str) -> list[Event]:
        return [event for event in self.world.store.trail(lead_id) if event.kind == "owner.assigned"]

    def listed(self, team: str = "huadong") -> list[str]:
        return [each.lead.lead_id for each in self.world.store.listed("unowned", team)]

    def messages(self) -> list[str]:
        return [json.loads(row["facts"]["S"])["lead"] for row in self.world.store.items("OUTBOX#managers")]

    def five_minutes_later(self) -> None:
        self.clock.at += timedelta(minutes=5)
        assert replay({}, Context("five minutes")) == {}

    def assign(self, **options: Any) -> HandedOver:
        world = self.world
        return handover.assign_waiting("huadong", store=world.store, config=world.config, now=world.now, **options)


@pytest.fixture
def office(world: TestWorld, clock: TimeTravel, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(world.store, "_sleep", lambda _: None)
    return Office(world, clock)


def test_a_raised_cap_gives_the_waiting_leads_an_owner_within_five_minutes(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = office.full(3)
    before = office.lead(waiting[0])
    office.agree(cap=3)

    office.five_minutes_later()

    after = office.lead(waiting[0])
    [assigned] = office.assigned(waiting[0])
    assert office.owners(waiting) == ["rep-zhang", "rep-li", "rep-zhang"]
    assert (assigned.actor, assigned.occurred_at) == ("system:assignment", office.clock())
    assert assigned.facts == {"owner": "rep-zhang", "team": "huadong", "by": "rotation"}
    assert after.clocks == before.clocks
    assert leads_of.fold(office.world.store.trail(waiting[0])) == after
    assert office.world.store.loads(["rep-li", "rep-zhang"]) == {"rep-li": 2, "rep-zhang": 3}
    assert office.listed() == []
    assert '"LeadsAssigned": 3' in capsys.readouterr().out


def test_while_nobody_is_free_leads_stay_and_the_manager_is_not_told_again(
    office: Office, network: RobotNetwork
) -> None:
    waiting = office.full(2)
    told = office.messages()
    trails = [office.world.store.trail(lead_id) for lead_id in waiting]

    for _ in range(2):
        office.five_minutes_later()
    dispatch.handler({"channel": "managers"}, Context())
    office.five_minutes_later()

    assert told == waiting
    assert len(network.taken) == 2
    assert office.messages() == []
    assert office.listed() == waiting
    assert [office.world.store.trail(lead_id) for lead_id in waiting] == trails


def test_what_the_manager_was_to_hear_is_not_sent_once_the_lead_has_an_owner(
    office: Office, network: RobotNetwork
) -> None:
    office.full(1)
    office.agree(cap=2)
    office.five_minutes_later()

    dispatch.handler({"channel": "managers"}, Context())

    assert network.taken == []


def test_one_place_that_becomes_free_goes_to_the_oldest_that_waits(office: Office) -> None:
    waiting = office.full(3)
    [closed] = [each.lead.lead_id for each in office.world.store.listed("owner", "rep-zhang")]
    office.close(closed)

    office.five_minutes_later()

    assert office.owners(waiting) == ["rep-zhang", None, None]
    assert office.listed() == waiting[1:]


def test_the_turn_goes_on_where_intake_had_left_it(office: Office) -> None:
    office.new()
    for rep in ("rep-li", "rep-zhang"):
        office.put("rep", rep, away=[["2026-01-26", "2026-01-26"]])
    waiting = [office.new().lead_id for _ in range(2)]
    office.agree()
    office.clock.at += timedelta(days=1)

    office.five_minutes_later()

    assert office.owners(waiting) == ["rep-zhang", "rep-li"]
    assert office.new().owner == "rep-zhang"


def test_a_lead_waits_for_its_rules_as_at_intake(office: Office) -> None:
    late = {day: [["13:30", "22:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
    office.put("rep", "rep-li", hours=late)
    rule = {"when": {"field": "城市", "in": ["杭州"]}, "to": ["rep-li"]}
    plain, named = office.full(1)[0], office.new(fields={"城市": "杭州"}).lead_id
    office.agree(hours=True, rules=[rule])

    office.five_minutes_later()

    assert [(event.facts["owner"], event.facts["by"]) for event in office.assigned(plain)] == [
        ("rep-zhang", "rotation")
    ]
    assert [(event.facts["owner"], event.facts["by"]) for event in office.assigned(named)] == [("rep-li", "rule")]


def test_a_customer_who_came_back_while_their_rep_was_away_meets_them_again(office: Office) -> None:
    office.agree()
    first = office.new(phone="13900000001")
    office.close(first.lead_id)
    for rep in ("rep-li", "rep-zhang"):
        office.put("rep", rep, away=[["2026-01-26", "2026-01-26"]])
    again = office.new(phone="13900000001")
    office.clock.at += timedelta(days=1)

    office.five_minutes_later()

    assert (first.owner, again.owner) == ("rep-li", None)
    assert [event.facts["by"] for event in office.assigned(again.lead_id)] == ["sticky"]
    assert office.lead(again.lead_id).owner == "rep-li"


def test_only_open_leads_of_today_wait(office: Office) -> None:
    [closed, open_one] = office.full(2)
    office.close(closed)
    at = office.clock()
    imported = Happening("lead.received", at, "import:old", {"source": "old", "stage": "新线索", "team": "huadong"})
    past = Happening(imported.kind, at, imported.actor, {**imported.facts, "origin": "import", "person": ""})
    office.world.store.commit(Change("01KFVX14M0ZPWN9P7WP1BKJ57X", at, happenings=(past,)))

    assert office.listed() == [open_one]
    assert office.listed("huanan") == []


def test_every_team_gets_its_turn_and_its_leads_stay_in_it(office: Office) -> None:
    ours = office.full(1)
    theirs = arrive(office.world, owner=None, team="huanan", phone="+8613900000001")
    office.agree(cap=2)

    office.five_minutes_later()

    assert office.lead(ours[0]).team == "huadong"
    assert (office.lead(theirs).owner, office.lead(theirs).team) == ("rep-zhao", "huanan")


def test_a_team_of_which_no_lead_waits_costs_one_query_and_one_that_nobody_can_serve_no_more_for_many(
    office: Office,
) -> None:
    calls: list[str] = []
    office.world.dynamodb.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    office.assign()
    idle = list(calls)
    office.full(2)
    calls.clear()
    office.assign()
    two = len(calls)
    for _ in range(3):
        office.new()
    calls.clear()
    office.assign()

    assert idle == ["Query"]
    assert len(calls) == two
    assert "TransactWriteItems" not in calls


@pytest.mark.parametrize("after_commit", [False, True], ids=["before the second commit", "after it"])
def test_a_walk_that_was_killed_goes_on_where_it_was(
    office: Office, monkeypatch: pytest.MonkeyPatch, after_commit: bool
) -> None:
    waiting = office.full(3)
    office.agree()
    commit, commits = office.world.store.commit, []

    def killed(change: Change) -> Committed | None:
        commits.append(change)
        done = commit(change) if after_commit or len(commits) != 2 else None
        if len(commits) == 2:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(office.world.store, "commit", killed)
    with pytest.raises(KeyboardInterrupt):
        office.assign()

    office.assign()
    once_more = office.assign()

    assert [len(office.assigned(lead_id)) for lead_id in waiting] == [1, 1, 1]
    assert once_more == HandedOver({})


def test_a_walk_ends_when_there_is_no_more_time_and_the_next_goes_on(office: Office) -> None:
    waiting = office.full(3)
    office.agree()
    left = iter([True, False])

    office.assign(has_time=lambda: next(left))

    assert office.listed() == waiting[1:]
    assert office.assign().is_complete
    assert office.listed() == []


def test_a_lead_that_others_change_meanwhile_is_decided_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    touched, given = office.full(2)
    office.agree()
    world, commit = office.world, office.world.store.commit
    said = Happening("source.event", world.now(), "source:standard", {})
    by_a_manager = lifecycle.assign("rep-zhao", "huanan", world.now(), by="person")
    first = {touched: said, given: by_a_manager}

    def somebody_is_first(change: Change) -> Committed:
        if change.lead_id in first:
            commit(Change(change.lead_id, world.now(), lead=change.lead, happenings=(first.pop(change.lead_id),)))
            raise ConflictError
        return commit(change)

    monkeypatch.setattr(world.store, "commit", somebody_is_first)

    done = office.assign()

    assert sum(done.moved.values()) == 1
    assert office.lead(touched).owner in ("rep-li", "rep-zhang")
    assert (office.lead(given).owner, len(office.assigned(given))) == ("rep-zhao", 1)


def test_one_lead_that_cannot_be_written_holds_up_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = office.full(3)
    office.agree()
    commit = office.world.store.commit

    def busy(change: Change) -> Committed:
        if change.lead_id == waiting[0]:
            raise BusyError
        return commit(change)

    monkeypatch.setattr(office.world.store, "commit", busy)

    office.five_minutes_later()

    assert office.listed() == waiting[:1]
    assert '"LeadsAssigned": 2' in capsys.readouterr().out


def give(
    lead_id: str, owner: str = "rep-zhang", *, user: str = "wangfang", key: str | None = None, **said: Any
) -> Reply:
    return ask("POST", f"/leads/{lead_id}/owner", user=user, body={"owner": owner, "reason": REASON} | said, key=key)


def test_a_manager_names_the_owner_of_a_lead_that_waits(office: Office) -> None:
    [lead_id] = office.full(1)
    clocks = office.lead(lead_id).clocks

    reply = give(lead_id)

    lead = office.lead(lead_id)
    [assigned] = office.assigned(lead_id)
    shown = ask("GET", f"/leads/{lead_id}/trail", user="wangfang").body["items"][-1]
    assert (reply.status, reply.body) == (
        200,
        {"id": lead_id, "owner": "rep-zhang", "team": "huadong", "version": lead.seq},
    )
    assert (assigned.actor, assigned.facts) == (
        "rep:mgr-wang",
        {"owner": "rep-zhang", "team": "huadong", "by": "person"},
    )
    assert (shown["text"], assigned.text_hash is not None) == ({"reason": REASON}, True)
    assert (lead.owner, lead.clocks) == ("rep-zhang", clocks)
    assert office.listed() == []
    assert ask("GET", f"/leads/{lead_id}/verify", user="wangfang").body["fold_matches"] is True


def test_a_lead_goes_to_the_team_of_its_new_owner(world: TestWorld) -> None:
    lead_id = arrive(world)

    reply = give(lead_id, "rep-zhao", user="chenzong")

    assert (reply.status, reply.body["team"]) == (200, "huanan")
    assert world.store.trail(lead_id)[-1].facts["from"] == "rep-zhang"
    assert [each.lead.lead_id for each in world.store.listed("team", "huanan")] == [lead_id]
    assert world.store.loads(["rep-zhang", "rep-zhao"]) == {"rep-zhang": 0, "rep-zhao": 1}
    assert give(lead_id, user="wangfang").status == 404


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"owner": "rep-nobody"}, "owner"),
        ({"owner": "rep-gone"}, "owner"),
        ({"owner": "dir-chen"}, "owner"),
        ({"owner": "rep-zhao"}, "owner"),
        ({"owner": ""}, "owner"),
        ({"owner": None}, "owner"),
        ({"reason": "换人"}, "reason"),
        ({"reason": None}, "reason"),
        ({"team": "huanan"}, "team"),
    ],
    ids=str,
)
def test_an_owner_who_cannot_be_named_is_refused_by_field(world: TestWorld, said: dict[str, Any], field: str) -> None:
    gone = {"name": "rep-gone", "role": "rep", "team": "huadong", "active": False}
    world.config.put("rep", "rep-gone", gone, now=world.now())
    lead_id = arrive(world)
    before = world.store.lead(lead_id)

    reply = give(lead_id, **{"owner": "rep-li", **said})

    assert (reply.status, reply.body["field"]) == (422, field)
    assert world.store.lead(lead_id) == before


def test_the_same_owner_again_changes_nothing(world: TestWorld) -> None:
    lead_id = arrive(world)

    reply = give(lead_id, "rep-zhang")

    assert (reply.status, reply.body["code"], reply.body["owner"]) == (409, "already-owner", "rep-zhang")
    assert len(world.store.trail(lead_id)) == world.store.leads([lead_id])[lead_id].seq == 4


def test_the_same_key_names_an_owner_once(world: TestWorld) -> None:
    lead_id = arrive(world)

    once, again = give(lead_id, "rep-li", key="k"), give(lead_id, "rep-li", key="k")

    assert (once.status, again.status, again.body) == (200, 200, once.body)
    assert give(lead_id, "rep-zhang", key="k").body["code"] == "idempotency-mismatch"
    assert [event.kind for event in world.store.trail(lead_id)].count("owner.assigned") == 2


def test_nobody_gets_a_lead_that_is_closed_or_part_of_another(office: Office) -> None:
    closed, lead_id = arrive(office.world, phone="+8613900000001"), arrive(office.world)
    office.close(closed)
    office.clock.at += timedelta(minutes=1)
    beside = ask("POST", f"/leads/{lead_id}/deals", body={"reason": "另有一个采购项目"}).body["id"]
    merged = ask("POST", f"/leads/{lead_id}/merge", user="wangfang", body={"other": beside, "reason": REASON})

    replies = [give(closed, "rep-li"), give(merged.body["loser"], "rep-li")]

    assert [(reply.status, reply.body["code"]) for reply in replies] == [(409, "lead-closed"), (409, "already-merged")]


def test_a_lead_of_somebody_who_was_erased_is_given_without_the_reason(world: TestWorld) -> None:
    lead_id = arrive(world)
    key = {"PK": {"S": f"PERSON#{world.store.leads([lead_id])[lead_id].person_id}"}, "SK": {"S": "CONTACT"}}
    world.dynamodb.delete_item(TableName=world.settings.table, Key=key)

    reply = give(lead_id, "rep-li")

    assert reply.status == 200
    assert world.store.trail(lead_id)[-1].text_hash is None


def run(office: Office, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(main, "_world", lambda: office.world)
    monkeypatch.setenv("LOGNAME", "zhou")
    result = CliRunner().invoke(main.app, ["reassign", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize("team", [["--team", "huadong"], ["--team", "华东一组"], []], ids=["id", "name", "all"])
def test_an_operator_assigns_the_waiting_leads_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch, team: list[str]
) -> None:
    waiting = office.full(3)
    office.agree(cap=2)

    some = run(office, monkeypatch, "--unassigned", *team)
    office.agree()
    rest = run(office, monkeypatch, "--unassigned", *team)

    assert some[0] == 1
    assert "huadong：已分配 2 条" in some[1]
    assert "组内无人可接" in some[1]
    assert rest[0] == 0
    assert "huadong：已分配 1 条" in rest[1]
    assert {event.actor for lead_id in waiting for event in office.assigned(lead_id)} == {"operator:zhou"}
    assert ("huanan" in rest[1]) is (not team)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "请用 --from"),
        (["--unassigned", "--from", "rep-li"], "请用 --from"),
        (["--unassigned", "--to", "rep-li"], "--to 与 --reason"),
        (["--from", "rep-li", "--team", "huadong"], "--team 只能与"),
        (["--unassigned", "--team", "huabei"], "公司没有小组 huabei"),
    ],
    ids=str,
)
def test_a_mistake_on_the_command_line_changes_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    waiting = office.full(1)
    office.agree()

    status, text = run(office, monkeypatch, *arguments)

    assert status == 1
    assert said in text
    assert office.listed() == waiting


def test_a_lead_that_was_released_by_a_clock_ahead_of_ours_gets_its_owner_behind_that(
    world: TestWorld, clock: TimeTravel
) -> None:
    lead_id = arrive(world)
    lead = world.store.lead(lead_id)
    assert lead is not None
    released = lifecycle.release(lead, clock() + timedelta(hours=2), why="pool")
    world.store.commit(Change(lead_id, clock() + timedelta(hours=2), lead=lead, happenings=(released,)))

    handover.assign_every_waiting(store=world.store, config=world.config, now=world.now)

    after = world.store.lead(lead_id)
    assert after is not None
    assert after.owner not in (None, lead.owner)
