import json
import re
from datetime import timedelta
from typing import Any

import pytest

from functions.ingest import webhook
from functions.sla import dispatch, sweep
from leadtrail.adapters.posting import NoAnswerError
from leadtrail.adapters.robots import Robots
from leadtrail.domain.clock import Clock
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Happening
from leadtrail.services import retracting
from leadtrail.services.ports import Change
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.webhooks import Context, call_completed, lead_created


class RobotNetwork:
    """A network in which robots answer what the test says, and keep what they took."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.taken: list[tuple[str, str]] = []
        self.asked = 0

    def __call__(self, url: str, body: bytes) -> tuple[int, bytes]:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, Exception):
            raise answer
        if answer == 0:
            message = json.loads(body)["markdown"]
            self.taken.append((url, message.get("content") or message["text"]))
        return (502, b"") if answer == 502 else (200, json.dumps({"errcode": answer, "errmsg": ""}).encode())


class FunctionCalls:
    """Lambda as the sweep sees it: hand-overs to dispatch, kept in order."""

    def __init__(self) -> None:
        self.handed_over: list[str] = []

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803 - boto3's names
        self.handed_over.append(json.loads(Payload)["channel"])


@pytest.fixture
def network(world: TestWorld) -> RobotNetwork:
    made = RobotNetwork()
    world.robots = Robots(world.secrets.valid, world.clock, made)
    world.functions = FunctionCalls()
    return made


def new_lead(clock: TimeTravel, number: int = 0) -> str:
    answer = webhook.handler(lead_created(clock(), message_id=f"m{number}", phone=f"1380013{number:04d}"), Context())
    return str(json.loads(answer["body"])["id"])


def run_sweep(world: TestWorld, **event: str) -> dict[str, Any]:
    return sweep.handler(event, Context())


def run_dispatch(*channels: str) -> None:
    for channel in channels:
        dispatch.handler({"channel": channel}, Context())


def first_response(world: TestWorld, lead_id: str) -> Clock:
    lead = world.store.lead(lead_id)
    assert isinstance(lead, Lead)
    return lead.clocks[0]


def test_an_unanswered_lead_is_warned_breached_and_escalated_once_each(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    lead_id = new_lead(clock)
    start = clock()

    for minutes in (60, 91, 92, 121, 122, 210, 271, 272, 60 * 26):
        clock.at = start + timedelta(minutes=minutes)
        run_sweep(world)
        run_dispatch("huadong-group", "managers")

    lead = world.store.lead(lead_id)
    assert lead is not None
    kinds = [event.kind for event in world.store.trail(lead_id) if event.facts.get("rule") == "first_response"]
    assert kinds == ["clock.started", "clock.warned", "clock.breached", *["clock.escalated"] * 3]
    assert [alert.audience for alert in world.store.alerts(lead_id)] == ["owner", "owner", "manager", "director"]
    assert len(network.taken) == 4
    assert lead.risk == ("超时未响应",)


def test_overlapping_sweeps_tell_once(world: TestWorld, clock: TimeTravel, network: RobotNetwork) -> None:
    new_lead(clock)
    clock.at += timedelta(hours=2, seconds=1)

    for _ in range(3):
        run_sweep(world)
    run_dispatch("huadong-group", "huadong-group")

    assert len(network.taken) == 1


def test_a_late_sweep_records_every_level_and_tells_the_highest_only(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    lead_id = new_lead(clock)
    clock.at += timedelta(days=2)

    run_sweep(world)
    run_dispatch("huadong-group", "managers")

    assert first_response(world, lead_id).level == 3
    assert [alert.audience for alert in world.store.alerts(lead_id)] == ["director"]
    assert len(network.taken) == 1


def test_a_message_waits_for_the_next_opening(world: TestWorld, clock: TimeTravel, network: RobotNetwork) -> None:
    clock.at += timedelta(hours=8)  # 17:00: the two hours end at 10:00 tomorrow
    new_lead(clock)
    clock.at += timedelta(hours=72, minutes=30)
    clock.at = clock.at.replace(hour=14)  # 22:00 three days later

    run_sweep(world)
    run_dispatch("managers")
    night = len(network.taken)
    clock.at += timedelta(hours=11, minutes=1)
    run_dispatch("managers")

    assert (night, len(network.taken)) == (0, 1)


def test_a_touch_meets_the_clock_and_nobody_is_told(world: TestWorld, clock: TimeTravel, network: RobotNetwork) -> None:
    lead_id = new_lead(clock)
    clock.at += timedelta(minutes=30)
    webhook.handler(call_completed(clock(), phone="13800130000"), Context())
    clock.at += timedelta(hours=3)

    run_sweep(world)
    run_dispatch("huadong-group", "managers")

    assert first_response(world, lead_id).state == "met"
    assert network.taken == []


def test_a_call_synced_after_the_breach_corrects_it(world: TestWorld, clock: TimeTravel, network: RobotNetwork) -> None:
    lead_id = new_lead(clock)
    talked_at = clock() + timedelta(minutes=50)
    clock.at += timedelta(hours=2, minutes=5)
    run_sweep(world)
    breached = first_response(world, lead_id).state

    webhook.handler(call_completed(clock(), phone="13800130000", started_at=talked_at.isoformat()), Context())
    run_dispatch("huadong-group")

    assert breached == "breached"
    assert first_response(world, lead_id).state == "met"
    assert "alert.retracted" in [event.kind for event in world.store.trail(lead_id)]
    assert network.taken == []  # what had not been said yet is not said any more
    assert [said.state for said in world.store.tellings(lead_id)] == ["moot"]


def test_a_robot_that_is_down_delays_and_loses_nothing(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    new_lead(clock)
    clock.at += timedelta(hours=2, seconds=1)
    run_sweep(world)
    network.answers = [502, TimeoutError(), 502]

    for _ in range(12):
        run_dispatch("huadong-group")
        clock.at += timedelta(minutes=1)

    assert len(network.taken) == 1


def test_many_leads_at_once_are_lists_and_each_alert_is_told(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    leads = [new_lead(clock, number) for number in range(25)]
    clock.at += timedelta(hours=2, seconds=1)
    run_sweep(world)

    run_dispatch("huadong-group", "huadong-group")

    told = [said for lead in leads for said in world.store.tellings(lead)]
    numbers = re.findall("(?:#|提醒编号 )([0-9A-Z]{6})", " ".join(text for _, text in network.taken))
    assert sorted(numbers) == sorted(said.alert_id[-6:] for said in told)
    assert {(said.state, said.to) for said in told} == {("sent", None)}
    assert (len(told), sum(said.digest for said in told) >= 20) == (25, True)
    assert 2 <= len(network.taken) <= 4  # as many as 4,096 bytes hold


def test_a_muted_dingtalk_robot_is_left_alone_for_ten_minutes(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    new_lead(clock)
    clock.at += timedelta(days=2)
    run_sweep(world)
    network.answers = [130101]

    for _ in range(10):
        run_dispatch("managers")
        clock.at += timedelta(minutes=1)
    muted = len(network.taken)
    clock.at += timedelta(minutes=1)
    run_dispatch("managers")

    assert (muted, len(network.taken)) == (0, 1)


def test_the_sweep_hands_over_channels_that_the_stream_lost(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    new_lead(clock)
    clock.at += timedelta(hours=2, seconds=1)

    swept = run_sweep(world)

    assert swept["channels"] == ["huadong-group"]
    assert world.functions.handed_over == ["huadong-group"]


def test_whoever_was_told_of_a_breach_that_was_none_hears_that_too(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    lead_id = new_lead(clock)
    clock.at += timedelta(hours=2, minutes=5)
    run_sweep(world)
    run_dispatch("huadong-group")
    lead = world.store.lead(lead_id)
    assert lead is not None
    talked_at = clock() - timedelta(minutes=20)
    met = Happening("clock.met", talked_at, "system:clock", {"rule": "first_response", "episode": 1, "by": "touch"})
    back = Happening("alert.retracted", clock(), "system:clock", {**met.facts, "answered_by": "touch"})
    change = Change(lead_id=lead_id, recorded_at=clock(), lead=lead, happenings=(met, back))

    world.store.commit(retracting.with_corrections(change, store=world.store, company=world.config.company()))
    run_dispatch("huadong-group", "huadong-group")

    [(_, alert), (_, correction)] = network.taken
    number = alert.rpartition("提醒编号 ")[2]
    assert f"已于 01-26(周一) 10:45 按时完成（记录补传），此前的提醒 #{number} 作废" in correction
    assert {said.state for said in world.store.tellings(lead_id)} == {"sent", "corrected"}


def test_an_answer_that_is_lost_is_asked_for_once_more_and_noted(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    lead_id = new_lead(clock)
    clock.at += timedelta(hours=2, seconds=1)
    run_sweep(world)
    network.answers = [NoAnswerError("timed out"), NoAnswerError("timed out")]

    for _ in range(5):
        run_dispatch("huadong-group")
        clock.at += timedelta(minutes=2)

    assert (network.asked, [said.state for said in world.store.tellings(lead_id)]) == (2, ["unconfirmed"])


def test_a_message_masks_the_phone_and_explains_the_time(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    new_lead(clock)
    clock.at += timedelta(hours=2, minutes=10)
    run_sweep(world)

    run_dispatch("huadong-group")

    [(_, text)] = network.taken
    for expected in ("张三", "138****0000", "首次响应", "10分", "01-26(周一) 09:00–11:00 计2小时", "/r/"):
        assert expected in text
    assert "13800130000" not in text


def test_stream_records_name_their_channels_once() -> None:
    record = {"dynamodb": {"Keys": {"PK": {"S": "OUTBOX#managers"}, "SK": {"S": "1"}}}}

    assert dispatch.channels({"Records": [record, record]}) == ["managers"]


def test_a_message_whose_alert_is_gone_is_not_sent_for_ever(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    lead_id = new_lead(clock)
    clock.at += timedelta(hours=2, seconds=1)
    run_sweep(world)
    key = {"PK": {"S": f"LEAD#{lead_id}"}, "SK": {"S": "ALERT#first_response#1#1"}}
    world.dynamodb.delete_item(TableName=world.settings.table, Key=key)

    run_dispatch("huadong-group", "huadong-group")

    assert len(network.taken) == 1


def test_a_sweep_that_plays_the_future_sends_at_once_what_would_be_sent_at_once_then(
    world: TestWorld, clock: TimeTravel, network: RobotNetwork
) -> None:
    new_lead(clock)

    run_sweep(world, now=(clock() + timedelta(hours=2, minutes=1)).isoformat())
    run_dispatch("huadong-group")

    [(_, text)] = network.taken
    assert "1分(工作时间)" in text
