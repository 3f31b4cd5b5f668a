"""Dispatch keeps a robot's limits, and loses, doubles and claims nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from leadtrail.domain.company import Channel
from leadtrail.services.dispatching import (
    BACKOFF,
    LEASE,
    Answer,
    Dispatched,
    Failed,
    Lease,
    Limited,
    Sent,
    dispatch,
)
from leadtrail.services.ports import OutboxRow
from tests.builders import NINE

CHANNEL = Channel("managers", "dingtalk", ("manager",), "channel/managers")


class FakeOutbox:
    """One channel's messages and its lease, in memory."""

    def __init__(self, rows: int = 1) -> None:
        self.rows = {str(n): OutboxRow(CHANNEL.id, str(n), "alert", NINE, {"alert": n}) for n in range(rows)}
        self.lease = Lease(CHANNEL.id, NINE)
        self.sent: list[str] = []
        self.dropped: list[str] = []

    def take_lease(self, channel: str, *, now: datetime, until: datetime) -> Lease | None:
        if self.lease.until > now:
            return None
        self.lease = replace(self.lease, until=until)
        return self.lease

    def end_lease(self, lease: Lease) -> None:
        self.lease = replace(lease, until=NINE)

    def due(self, channel: str, now: datetime, limit: int) -> Sequence[OutboxRow]:
        return [row for row in self.rows.values() if row.send_at <= now][:limit]

    def begin(self, row: OutboxRow, lease: Lease) -> None:
        self.rows[row.id] = replace(row, attempts=row.attempts + 1)
        self.lease = lease

    def done(self, row: OutboxRow, at: datetime) -> None:
        self.sent.append(self.rows.pop(row.id).id)

    def drop(self, row: OutboxRow) -> None:
        self.dropped.append(self.rows.pop(row.id).id)

    def postpone(self, row: OutboxRow, until: datetime) -> None:
        self.rows[row.id] = replace(self.rows[row.id], send_at=until)


class Robot:
    """A robot that answers what the test says, then takes everything."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, channel: Channel, markdown: str) -> Answer:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else Sent()
        if isinstance(answer, Exception):
            raise answer
        return answer


def run(outbox: FakeOutbox, robot: Robot, now: datetime = NINE, *, text: str | None = "hello") -> Dispatched:
    return dispatch(CHANNEL, outbox=outbox, render=lambda row: text, send=robot, now=lambda: now, has_time=lambda: True)


def test_what_waits_is_sent_in_order_and_leaves_the_outbox() -> None:
    outbox, robot = FakeOutbox(3), Robot()

    done = run(outbox, robot)

    assert (done, outbox.sent, outbox.rows) == (Dispatched(sent=3), ["0", "1", "2"], {})


def test_what_nobody_needs_to_hear_is_dropped_and_not_said_to_be_sent() -> None:
    outbox, robot = FakeOutbox(2), Robot()

    done = run(outbox, robot, text=None)

    assert (done.sent, robot.asked) == (0, 0)
    assert (outbox.sent, outbox.dropped) == ([], ["0", "1"])


def test_while_somebody_else_sends_nothing_is_done() -> None:
    outbox, robot = FakeOutbox(), Robot()
    outbox.take_lease(CHANNEL.id, now=NINE, until=NINE + LEASE)

    done = run(outbox, robot)

    assert (done.waiting, robot.asked) == (True, 0)


def test_twenty_a_minute_and_the_rest_a_minute_later() -> None:
    outbox, robot = FakeOutbox(45), Robot()

    sent = [run(outbox, robot, NINE + timedelta(seconds=second)).sent for second in (0, 30, 60, 62, 124)]

    assert sent == [20, 0, 0, 20, 5]


def test_a_muted_robot_is_left_alone_for_as_long_as_it_says() -> None:
    outbox, robot = FakeOutbox(), Robot(Limited(timedelta(minutes=10)))

    asked = []
    for minute in (0, 1, 9, 10):
        run(outbox, robot, NINE + timedelta(minutes=minute))
        asked.append(robot.asked)

    assert asked == [1, 1, 1, 2]
    assert outbox.sent == ["0"]


def test_a_failure_is_tried_again_the_later_the_oftener_it_failed() -> None:
    outbox = FakeOutbox()
    robot = Robot(*[Failed("down")] * 6)
    now, waits = NINE, []

    for _ in range(6):
        run(outbox, robot, now)
        waits.append(outbox.rows["0"].send_at - now)
        now = outbox.rows["0"].send_at
    run(outbox, robot, now)

    assert waits == [*BACKOFF, BACKOFF[-1]]
    assert outbox.sent == ["0"]


def test_a_message_refused_for_good_does_not_stop_the_others() -> None:
    outbox, robot = FakeOutbox(2), Robot(Failed("errcode 460101", permanent=True))

    first = run(outbox, robot)
    run(outbox, robot, NINE + timedelta(seconds=31))

    assert first.refused == ("errcode 460101",)
    assert outbox.sent == ["1"]
    assert list(outbox.rows) == ["0"]


def test_a_crash_gives_the_lease_back_and_keeps_the_message_and_its_place_in_the_minute() -> None:
    outbox, robot = FakeOutbox(), Robot(RuntimeError("crash"))

    with pytest.raises(RuntimeError, match="crash"):
        run(outbox, robot)
    again = run(outbox, robot)

    assert (again.sent, outbox.sent) == (1, ["0"])
    assert len(outbox.lease.sent) == 2
