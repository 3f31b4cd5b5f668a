"""Somebody leaves: each of their open leads goes to somebody else once, however often the command is stopped."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from console import handing_over, main
from leadtrail.domain import lead as leads_of
from leadtrail.domain import lifecycle, trail
from leadtrail.domain.clock import Clock
from leadtrail.domain.errors import BusyError, InvalidInputError
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Happening
from leadtrail.services import handover, watch, wording
from leadtrail.services.digest import Batch
from leadtrail.services.handover import HandedOver, Turn
from leadtrail.services.ports import Change, Committed, ConflictError
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.people import arrive

LEAVER = "rep-li"


class Team:
    """华东一组 with 李四, who leaves, and what becomes of the leads."""

    def __init__(self, world: TestWorld) -> None:
        self.world = world
        self.count = 0
        self.hire("rep-qian")

    def hire(self, rep_id: str, **body: Any) -> None:
        known = {"name": rep_id, "role": "rep", "team": "huadong", **body}
        self.world.config.put("rep", rep_id, known, now=self.world.now())

    def agree(self, **assignment: Any) -> None:
        body = {"name": "华东一组", "assignment": assignment}
        self.world.config.put("team", "huadong", body, now=self.world.now())

    def leads(self, count: int, **changes: Any) -> list[str]:
        found = []
        for _ in range(count):
            self.count += 1
            self.world.clock.at += timedelta(seconds=1)
            phone = f"+86138001{self.count:05d}"
            found.append(arrive(self.world, **{"owner": LEAVER, "phone": phone, **changes}))
        return found

    def lead(self, lead_id: str) -> Lead:
        lead = self.world.store.lead(lead_id)
        assert lead is not None
        return lead

    def owners(self, lead_ids: list[str]) -> Counter[str | None]:
        return Counter(self.lead(lead_id).owner for lead_id in lead_ids)

    def handovers(self, lead_id: str) -> int:
        return sum(event.facts.get("by") == "handover" for event in self.world.store.trail(lead_id))

    def hand_over(self, to: str | None = None, reason: str | None = None, **options: Any) -> HandedOver:
        world = self.world
        return handover.hand_over(
            LEAVER,
            to=to,
            actor="operator:zhou",
            reason=reason,
            store=world.store,
            config=world.config,
            now=world.now,
            **options,
        )


@pytest.fixture
def team(world: TestWorld) -> Team:
    return Team(world)


def test_open_leads_are_shared_by_the_team_and_every_trail_says_so(team: Team) -> None:
    leads = team.leads(5)
    before = team.lead(leads[0])

    done = team.hand_over(reason=" 离职 ")

    after = team.lead(leads[0])
    events = team.world.store.trail(leads[0])
    person = team.world.store.persons([after.person_id])[after.person_id]
    said = team.world.store.readable(events, person)[-1]
    assert (sum(done.moved.values()), done.is_complete) == (5, True)
    assert sorted(team.owners(leads).items()) == [("rep-qian", 3), ("rep-zhang", 2)]
    assert said.facts == {"owner": after.owner, "team": "huadong", "by": "handover", "from": LEAVER}
    assert (said.kind, said.actor, said.text) == ("owner.assigned", "operator:zhou", {"reason": "离职"})
    assert after.clocks == before.clocks
    assert leads_of.fold(events) == after
    assert trail.verify(team.world.store.readable(events, person), salt=person.salt) is None


def test_leads_that_are_closed_or_somebody_elses_stay_where_they_are(team: Team) -> None:
    [closed, open_one] = team.leads(2)
    [other] = team.leads(1, owner="rep-zhang")
    lead = team.lead(closed)
    lost = Happening("lead.closed", team.world.now(), "rep:rep-li", {"outcome": "lost", "stage": "输单"})
    team.world.store.commit(Change(closed, team.world.now(), lead=lead, happenings=lifecycle.close(lead, lost)))

    done = team.hand_over()

    assert sum(done.moved.values()) == 1
    assert team.lead(closed).owner == LEAVER
    assert team.lead(open_one).owner != LEAVER
    assert team.handovers(other) == 0


def test_one_named_person_takes_all_and_the_leads_change_teams_with_them(team: Team) -> None:
    leads = team.leads(3)

    done = team.hand_over(to="rep-zhao")

    assert done.moved == {"rep-zhao": 3}
    assert {team.lead(each).team for each in leads} == {"huanan"}
    assert len(list(team.world.store.listed("team", "huanan"))) == 3


@pytest.mark.parametrize("to", [LEAVER, "rep-nobody", "rep-gone", "dir-chen", ""])
def test_who_cannot_take_leads_is_refused_before_anything_moves(team: Team, to: str) -> None:
    team.hire("rep-gone", active=False)
    leads = team.leads(1)

    with pytest.raises(InvalidInputError) as refused:
        team.hand_over(to=to)

    assert refused.value.facts["field"] == "to"
    assert team.owners(leads) == {LEAVER: 1}


@pytest.mark.parametrize("reason", [" ", "长" * 501])
def test_a_reason_says_something_and_not_too_much(team: Team, reason: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        team.hand_over(reason=reason)

    assert refused.value.facts["field"] == "reason"


def test_a_second_run_finds_nothing_to_do(team: Team) -> None:
    leads = team.leads(3)
    team.hand_over()

    again = team.hand_over()

    assert again == HandedOver({})
    assert [team.handovers(each) for each in leads] == [1, 1, 1]


@pytest.mark.parametrize("after_commit", [False, True], ids=["before the third commit", "after it"])
def test_a_run_that_was_killed_goes_on_where_it_was(
    team: Team, monkeypatch: pytest.MonkeyPatch, after_commit: bool
) -> None:
    leads = team.leads(5)
    commit, made = team.world.store.commit, Counter[str]()

    def killed(change: Change) -> Committed:
        made["commits"] += 1
        if made["commits"] == 3 and not after_commit:
            raise KeyboardInterrupt
        done = commit(change)
        if made["commits"] == 3:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(team.world.store, "commit", killed)
    with pytest.raises(KeyboardInterrupt):
        team.hand_over()

    done = team.hand_over()

    assert sum(done.moved.values()) == (2 if after_commit else 3)
    assert team.owners(leads)[LEAVER] == 0
    assert [team.handovers(each) for each in leads] == [1] * 5


def test_a_lead_that_others_change_meanwhile_is_decided_again(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    [lead_id] = team.leads(1)
    commit, world = team.world.store.commit, team.world
    calls = []

    def somebody_is_first(change: Change) -> Committed:
        calls.append(change.lead.seq if change.lead else 0)
        if len(calls) == 1:
            touched = Happening("source.event", world.now(), "source:standard", {})
            commit(Change(lead_id, world.now(), lead=change.lead, happenings=(touched,)))
        return commit(change)

    monkeypatch.setattr(world.store, "commit", somebody_is_first)
    monkeypatch.setattr(world.store, "_sleep", lambda _: None)

    done = team.hand_over()

    assert sum(done.moved.values()) == 1
    assert calls[1] == calls[0] + 1
    assert team.handovers(lead_id) == 1


def test_a_lead_that_a_manager_gave_away_meanwhile_is_theirs(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    [lead_id] = team.leads(1)
    commit, world = team.world.store.commit, team.world

    def a_manager_is_first(change: Change) -> Committed:
        assigned = lifecycle.assign("rep-zhao", "huanan", world.now(), by="mgr-wang")
        commit(Change(lead_id, world.now(), lead=change.lead, happenings=(assigned,)))
        raise ConflictError

    monkeypatch.setattr(world.store, "commit", a_manager_is_first)
    monkeypatch.setattr(world.store, "_sleep", lambda _: None)

    done = team.hand_over(to="rep-qian")

    assert done == HandedOver({})
    assert team.lead(lead_id).owner == "rep-zhao"


def test_one_lead_that_cannot_be_written_does_not_stop_the_others(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    leads = team.leads(3)
    commit = team.world.store.commit

    def busy(change: Change) -> Committed:
        if change.lead_id == leads[1]:
            raise BusyError
        return commit(change)

    monkeypatch.setattr(team.world.store, "commit", busy)

    done = team.hand_over(to="rep-qian")

    assert (done.moved, done.is_complete) == ({"rep-qian": 2}, False)
    assert [(lead_id, type(error)) for lead_id, error in done.failed] == [(leads[1], BusyError)]
    assert team.lead(leads[1]).owner == LEAVER


def test_where_nobody_is_free_the_leads_stay_until_somebody_is_named(team: Team) -> None:
    leads = team.leads(2, team="huanan")
    team.hire("rep-zhao", team="huanan", away=[["2026-01-26", "2026-01-30"]])

    by_the_rules, by_name = team.hand_over(), team.hand_over(to="mgr-sun")

    assert (by_the_rules.moved, sorted(by_the_rules.stayed), by_the_rules.is_complete) == ({}, leads, False)
    assert (by_name.moved, by_name.is_complete) == ({"mgr-sun": 2}, True)


def test_nobody_gets_more_open_leads_than_the_team_allows(team: Team) -> None:
    team.agree(cap=3)
    team.leads(2, owner="rep-zhang")
    leads = team.leads(6)

    done = team.hand_over()

    assert done.moved == {"rep-zhang": 1, "rep-qian": 3}
    assert len(done.stayed) == 2
    assert team.owners(leads)[LEAVER] == 2


def test_the_teams_rules_read_what_the_form_said(team: Team) -> None:
    rule = {"when": {"field": "地区", "in": ["上海"]}, "to": ["rep-qian"]}
    team.agree(rules=[rule], hours=True)
    east = team.leads(4, text={"地区": "上海"})
    rest = team.leads(4, text={"地区": "北京"})

    team.hand_over()

    assert team.owners(east) == {"rep-qian": 4}
    assert team.owners(rest) == {"rep-qian": 2, "rep-zhang": 2}


def test_leads_of_somebody_who_was_erased_are_moved_without_the_reason(team: Team) -> None:
    [lead_id] = team.leads(1)
    key = {"PK": {"S": f"PERSON#{team.lead(lead_id).person_id}"}, "SK": {"S": "CONTACT"}}
    team.world.dynamodb.delete_item(TableName=team.world.settings.table, Key=key)

    done = team.hand_over(to="rep-qian", reason="离职")

    assert done.moved == {"rep-qian": 1}
    assert team.world.store.trail(lead_id)[-1].text_hash is None


def test_leads_that_come_in_while_we_walk_are_moved_too(team: Team) -> None:
    leads = team.leads(2)
    late: list[str] = []

    def one_more(_: Turn) -> None:
        if not late:
            late.extend(team.leads(1))

    done = team.hand_over(to="rep-qian", tell=one_more)

    assert done.moved == {"rep-qian": 3}
    assert team.owners([*leads, *late]) == {"rep-qian": 3}


def test_clocks_run_on_and_the_next_alert_names_the_new_owner(team: Team, clock: TimeTravel) -> None:
    [lead_id] = team.leads(1)
    first: Clock = team.lead(lead_id).clocks[0]
    clock.at = first.due_at - timedelta(minutes=10)
    team.hand_over(to="rep-zhang")
    clock.at = first.due_at + timedelta(minutes=1)

    swept = watch.sweep(store=team.world.store, config=team.world.config, now=clock())

    [row] = team.world.outbox.due("huadong-group", clock(), 9)
    channel = team.world.config.company().channels["huadong-group"]
    words = wording.ChannelWords(
        channel, store=team.world.store, config=team.world.config, links=lambda targets, to: ["" for _ in targets]
    )
    assert words.changed([row], clock()) == {}
    text = words.message(Batch((row,), None), now=clock()).text
    assert [(alert.rule, alert.audience) for alert in swept.alerts] == [("first_response", "owner")]
    assert team.lead(lead_id).clocks[0].due_at == first.due_at
    assert "负责人：张三" in text


def printed(team: Team, **options: Any) -> tuple[int, str]:
    screen = Console(record=True, quiet=False, width=200)
    status = handing_over.run(team.world, LEAVER, console=screen, **options)
    return status, screen.export_text()


def test_the_command_sets_the_rep_inactive_before_the_first_lead_moves(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = team.leads(2)
    commit = team.world.store.commit
    active = []

    def watched(change: Change) -> Committed:
        active.append(team.world.config.current().reps[LEAVER].active)
        return commit(change)

    monkeypatch.setattr(team.world.store, "commit", watched)
    monkeypatch.setenv("LOGNAME", "zhou")

    status, text = printed(team, reason="离职")

    assert (status, active) == (0, [False, False])
    assert "已移交 2 条" in text
    assert {event.actor for each in leads for event in team.world.store.trail(each)[-1:]} == {"operator:zhou"}
    assert not any(word in text for word in ("李四", "王小明", "138001", "离职"))


def test_the_command_can_be_run_again(team: Team) -> None:
    team.leads(1)
    printed(team)
    version = team.world.config.company().stamp

    status, text = printed(team)

    assert (status, team.world.config.current().stamp) == (0, version)
    assert "已移交 0 条" in text


def test_the_command_says_what_nobody_could_take_and_which_source_still_names_the_rep(team: Team) -> None:
    leads = team.leads(1, team="huanan")
    team.hire("rep-zhao", team="huanan", active=False)
    source = {"provider": "standard", "team": "huadong", "secret": "source/standard", "owner": LEAVER}
    team.world.config.put("source", "standard", source, now=team.world.now())

    status, text = printed(team)

    assert status == 1
    assert leads[0] in text
    assert "来源 standard 的默认负责人仍是 rep-li" in text


def test_somebody_whom_nobody_knows_cannot_leave(team: Team) -> None:
    with pytest.raises(InvalidInputError) as refused:
        handing_over.run(team.world, "rep-typo", console=Console(quiet=True))

    assert refused.value.facts["field"] == "from"


def test_leads_of_an_imported_owner_can_be_handed_over(team: Team) -> None:
    leads = team.leads(2, owner="import:112")

    status = handing_over.run(team.world, "import:112", to="rep-qian", console=Console(quiet=True))

    assert status == 0
    assert team.owners(leads) == {"rep-qian": 2}


def test_a_mistake_on_the_command_line_changes_nothing(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    leads = team.leads(1)
    monkeypatch.setattr(main, "_world", lambda: team.world)
    runner = CliRunner()

    wrong = runner.invoke(main.app, ["reassign", "--from", LEAVER, "--to", "rep-nobody"])
    active = team.world.config.current().reps[LEAVER].active
    right = runner.invoke(main.app, ["reassign", "--from", LEAVER, "--to", "rep-qian", "--reason", "离职"])

    assert (wrong.exit_code, active) == (1, True)
    assert "需要一位在职的销售或主管" in wrong.output
    assert (right.exit_code, team.owners(leads)) == (0, {"rep-qian": 1})
