"""Dispatch keeps every limit, and loses nothing, tells nobody three times, and claims nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest

from leadtrail.domain.company import HOURLY, Channel, Company, Rep
from leadtrail.domain.quiet import Quiet
from leadtrail.services import digest, rerouting
from leadtrail.services.digest import Batch
from leadtrail.services.dispatching import (
    ANSWER,
    BACKOFF,
    LEASE,
    REPEAT,
    Answer,
    Dispatched,
    Failed,
    Limited,
    Sent,
    Unanswered,
    dispatch,
)
from leadtrail.services.outgoing import Lease, Message
from leadtrail.services.ports import OutboxRow
from tests.builders import NINE
from tests.memory_outbox import MemoryOutbox

MANAGERS = Channel("managers", "dingtalk", ("manager",), "channel/managers")
SPARE = Channel("spare", "feishu", ("manager",), "channel/spare")
APP = Channel("app", "wecom-app", ("owner", "manager"), "channel/app")
LI, WANG = Rep("rep-li", "李四", "rep", "east", "lisi"), Rep("mgr-wang", "王芳", "manager", "east", "wangfang")
NIGHT = Quiet(time(21), time(8), ("director", "no_progress", "mgr-wang"))
AT_NIGHT = NINE + timedelta(hours=13)  # 22:00 in Shanghai
MORNING = NINE + timedelta(hours=23)


class Talk:
    """Words that are the ids of what they tell; a list holds ``fits`` rows, ``stale`` rows are moot."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.stale: set[str] = set()
        self.instead: dict[str, tuple[OutboxRow, ...]] = {}
        self.fits = 100

    def changed(self, rows: Sequence[OutboxRow], now: datetime) -> Mapping[str, tuple[OutboxRow, ...]]:
        moot: dict[str, tuple[OutboxRow, ...]] = {row.id: () for row in rows if row.id in self.stale}
        return moot | {row.id: self.instead.pop(row.id) for row in rows if row.id in self.instead}

    def message(self, batch: Batch, *, now: datetime) -> Message:
        rows = batch.rows[: self.fits]
        return Message("title", " ".join([row.id for row in rows] + ["again"] * batch.repeat), rows)

    def elsewhere(self, row: OutboxRow, now: datetime) -> tuple[OutboxRow, ...]:
        return rerouting.elsewhere(row, None, company=self.company, now=now)


class Stage:
    """Messages that wait, channels that answer what the test says and then take everything, and a time."""

    def __init__(self, *rows: OutboxRow) -> None:
        self.outbox = MemoryOutbox(rows)
        self.company = Company(
            stamp=1,
            name="示例",
            zone="Asia/Shanghai",
            teams={},
            reps={rep.id: rep for rep in (LI, WANG)},
            sources={},
            channels={channel.id: channel for channel in (MANAGERS, SPARE, APP)},
            policies={},
        )
        self.words = Talk(self.company)
        self.answers: list[Answer | Exception] = []
        self.heard: list[tuple[str | None, str]] = []
        self.now = NINE

    def send(self, channel: Channel, markdown: str, *, to: Rep | None, title: str) -> Answer:
        self.heard.append((to.id if to else None, markdown))
        answer = self.answers.pop(0) if self.answers else Sent()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def rest(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def run(self, channel: Channel = MANAGERS, at: datetime | None = None) -> Dispatched:
        """Dispatch once; the time stands still but for rests."""
        self.now = at or self.now
        return dispatch(
            channel,
            company=self.company,
            outbox=self.outbox,
            words=self.words,
            send=self.send,
            now=lambda: self.now,
            rest=self.rest,
            has_time=lambda: True,
        )

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.heard]


def row(number: int = 0, channel: Channel = MANAGERS, **facts: Any) -> OutboxRow:
    """Return a message of an alert of its own."""
    known = {"alert": f"alert-{number}", "audience": "manager", "level": 2, "rule": "first_response"}
    return OutboxRow(channel.id, f"{number:03d}", "alert", NINE, known | facts)


def rows(count: int, channel: Channel = MANAGERS, **facts: Any) -> list[OutboxRow]:
    return [row(number, channel, **facts) for number in range(count)]


def test_what_waits_is_sent_in_order_and_leaves_the_outbox() -> None:
    stage = Stage(*rows(3))

    done = stage.run()

    assert (done, stage.texts) == (Dispatched(messages=3, sent=3), ["000", "001", "002"])
    assert (stage.outbox.waiting(), set(stage.outbox.ledger.values())) == ([], {"sent"})


def test_what_nobody_needs_to_hear_is_dropped_and_not_said_to_be_sent() -> None:
    stage = Stage(*rows(2))
    stage.words.stale = {"000", "001"}

    done = stage.run()

    assert (done.sent, done.dropped, stage.heard) == (0, 2, [])
    assert stage.outbox.ledger == {"000": "moot", "001": "moot"}


def test_what_is_somebody_elses_by_now_goes_to_them() -> None:
    stage = Stage(row(channel=APP, to="rep-li"))
    stage.words.instead = {"000": (row(channel=APP, to="mgr-wang"),)}

    stage.run(APP)

    assert stage.heard == [("mgr-wang", "000")]


def test_while_somebody_else_sends_nothing_is_done() -> None:
    stage = Stage(row())
    stage.outbox.take_lease(MANAGERS.id, now=NINE, until=NINE + LEASE)

    done = stage.run()

    assert (done.waiting, stage.heard) == (True, [])


def test_a_run_that_outlived_its_lease_stops_without_sending() -> None:
    stage = Stage(row())
    stage.words.changed = lambda rows, now: stage.outbox.leases.clear() or {}  # type: ignore[method-assign,func-returns-value]
    stage.outbox.is_held = lambda lease: False  # type: ignore[method-assign]

    done = stage.run()

    assert (done.waiting, stage.heard) == (True, [])


def test_a_group_is_told_five_times_at_once_and_a_sixth_makes_it_a_list() -> None:
    few, many = Stage(*rows(5)), Stage(*rows(6))

    few.run()
    many.run()

    assert (len(few.texts), many.texts) == (5, ["000 001 002 003 004 005"])
    assert many.outbox.digests == set(many.outbox.ledger)


def test_a_list_begins_with_the_worst_and_what_does_not_fit_comes_with_the_next() -> None:
    stage = Stage(*rows(5, level=1), row(5, level=3, audience="director"), row(6, level=2))
    stage.words.fits = 6

    stage.run()

    assert stage.texts == ["005 006 000 001 002 003", "004"]


def test_a_list_holds_no_more_rows_than_one_transaction_can_settle() -> None:
    stage = Stage(*rows(digest.MOST + 7))

    stage.run()

    assert [len(text.split()) for text in stage.texts] == [digest.MOST, 7]


def test_one_alert_of_two_people_is_said_to_their_group_once() -> None:
    stage = Stage(row(0, to="mgr-wang"), row(1, alert="alert-0", to="mgr-sun"))

    done = stage.run()

    assert (done.messages, done.sent, stage.texts) == (1, 2, ["000 001"])


def test_twenty_a_minute_and_what_is_left_over_becomes_a_list() -> None:
    stage = Stage(*rows(4))
    stage.outbox.leases[MANAGERS.id] = Lease(MANAGERS.id, NINE, sent=(NINE,) * 18)

    stage.run(at=NINE + timedelta(seconds=1))

    assert stage.texts == ["000 001 002 003"]


def test_no_minute_has_more_than_twenty_messages() -> None:
    stage, at = Stage(), []

    for second in range(0, 300, 3):
        stage.outbox.rows |= {(MANAGERS.id, f"{second:03d}"): row(second)}
        before = len(stage.heard)
        stage.run(at=NINE + timedelta(seconds=second))
        at += [second] * (len(stage.heard) - before)

    assert max(sum(begin <= one < begin + 60 for one in at) for begin in at) == 20


def test_feishu_is_told_five_times_a_second() -> None:
    stage = Stage(*rows(5, SPARE))
    stage.run(SPARE)
    stage.outbox.rows |= {(SPARE.id, one.id): one for one in rows(3, SPARE)}
    at_once = stage.now

    stage.run(SPARE)

    assert (at_once, len(stage.heard)) == (NINE, 8)
    assert stage.now - NINE >= timedelta(seconds=1)


def test_a_muted_robot_is_left_alone_for_as_long_as_it_says() -> None:
    stage = Stage(row())
    stage.answers = [Limited(timedelta(minutes=10))]

    asked = []
    for minute in (0, 1, 9, 10):
        stage.run(at=NINE + timedelta(minutes=minute))
        asked.append(len(stage.heard))

    assert asked == [1, 1, 1, 2]
    assert (stage.outbox.ledger, stage.texts[-1]) == ({"000": "sent"}, "000")


def test_a_failure_is_tried_again_the_later_the_oftener_it_failed_without_end() -> None:
    stage, waits, refused = Stage(row()), [], []
    stage.answers = [Failed("down")] * 6

    for _ in range(6):
        refused.append(stage.run().refused)
        [left] = stage.outbox.waiting()
        waits.append(left.send_at - stage.now)
        stage.now = left.send_at
    stage.run()

    assert waits == [*BACKOFF, BACKOFF[-1]]
    assert refused == [(), (), *[("down",)] * 4]  # after the third somebody has to know
    assert stage.outbox.ledger == {"000": "sent"}


def test_a_message_refused_for_good_does_not_stop_the_others() -> None:
    stage = Stage(*rows(2))
    stage.answers = [Failed("errcode 460101", permanent=True)]

    first = stage.run()
    stage.run(at=NINE + timedelta(seconds=31))

    assert first.refused == ("errcode 460101",)
    assert stage.outbox.ledger == {"001": "sent"}
    assert [left.send_at for left in stage.outbox.waiting()] == [NINE + timedelta(minutes=15)]


@pytest.mark.parametrize(
    ("answers", "runs"),
    [([Failed("gone", permanent=True)], 1), ([Failed("down")] * 3, 3)],
    ids=["refused for good", "failed three times"],
)
def test_a_message_that_cannot_go_one_way_goes_the_next(answers: list[Answer], runs: int) -> None:
    stage = Stage(row(channels=["managers", "spare"], tried=[]))
    stage.answers = [*answers]

    for _ in range(runs):
        stage.run()
        stage.now += timedelta(minutes=3)
    [moved] = stage.outbox.waiting()
    stage.run(SPARE)

    assert (moved.channel, moved.id, moved.facts["tried"], moved.attempts) == ("spare", "000", ["managers"], 0)
    assert stage.outbox.ledger == {"000": "sent"}


def test_a_message_that_tried_every_way_stays_and_an_operator_hears() -> None:
    stage = Stage(row(channel=SPARE, channels=["managers", "spare"], tried=["managers"]))
    stage.answers = [Failed("gone", permanent=True)]

    done = stage.run(SPARE)

    [left] = stage.outbox.waiting()
    assert (done.refused, left.channel, left.send_at) == (("gone",), "spare", NINE + timedelta(minutes=15))


def test_what_may_have_been_taken_is_sent_once_more_and_says_so() -> None:
    stage = Stage(row())
    stage.answers = [Unanswered("timed out")]

    stage.run()
    stage.run(at=NINE + REPEAT - timedelta(seconds=1))
    early = len(stage.heard)
    stage.run(at=NINE + REPEAT)

    assert (early, stage.texts) == (1, ["000", "000 again"])
    assert stage.outbox.ledger == {"000": "sent"}


def test_a_second_answer_that_is_lost_ends_it_and_an_operator_hears() -> None:
    stage = Stage(row())
    stage.answers = [Unanswered("timed out")] * 5

    unconfirmed = [stage.run(at=NINE + minute * timedelta(minutes=2)).unconfirmed for minute in range(4)]

    assert unconfirmed == [(), ("alert-0",), (), ()]
    assert (len(stage.heard), stage.outbox.ledger) == (2, {"000": "unconfirmed"})


def test_a_certain_failure_of_the_second_copy_is_tried_again_as_the_second_copy() -> None:
    stage = Stage(row())
    stage.answers = [Unanswered("timed out"), Failed("down")]

    for minute in range(0, 6, 2):
        stage.run(at=NINE + timedelta(minutes=minute))

    assert stage.texts == ["000", "000 again", "000 again"]
    assert stage.outbox.ledger == {"000": "sent"}


def test_what_is_new_is_never_in_one_list_with_what_is_repeated() -> None:
    stage = Stage(*rows(6))
    stage.answers = [Unanswered("timed out")]
    stage.run()
    stage.outbox.rows |= {(MANAGERS.id, one.id): one for one in (row(7), row(8))}

    stage.run(at=NINE + REPEAT)

    assert sorted(stage.texts[1:]) == ["000 001 002 003 004 005 again", "007", "008"]


def test_a_crash_gives_the_lease_back_and_counts_as_an_answer_that_was_lost() -> None:
    stage = Stage(row())
    stage.answers = [RuntimeError("crash"), RuntimeError("crash")]

    places = []
    for minute in (0, 2):
        with pytest.raises(RuntimeError, match="crash"):
            stage.run(at=NINE + timedelta(minutes=minute))
        places += stage.outbox.leases[MANAGERS.id].sent
    done = stage.run(at=NINE + timedelta(minutes=4))

    assert stage.texts == ["000", "000 again"]
    assert (done.unconfirmed, stage.outbox.ledger) == (("alert-0",), {"000": "unconfirmed"})
    assert places == [NINE + ANSWER, NINE + timedelta(minutes=2) + ANSWER]


def test_a_person_gets_a_list_every_ten_minutes_once_most_of_their_hour_is_used() -> None:
    stage = Stage()
    heard_at: list[int] = []
    for minute in range(60):
        before = len(stage.heard)
        stage.outbox.rows |= {(APP.id, f"{minute:03d}"): row(minute, APP, to="rep-li")}
        stage.run(APP, NINE + timedelta(minutes=minute))
        heard_at += [minute] * (len(stage.heard) - before)

    assert heard_at[: HOURLY - 6] == list(range(HOURLY - 6))
    assert len(heard_at) <= HOURLY
    assert max(later - earlier for earlier, later in pairwise(heard_at)) <= 11
    assert len(stage.texts[-1].split()) > 5


def test_one_persons_full_hour_keeps_nobody_else_waiting() -> None:
    stage = Stage(row(0, APP, to="rep-li"), row(1, APP, to="mgr-wang"))
    told = replace(stage.outbox.told(APP.id, "rep-li"), at=(NINE - timedelta(minutes=1),) * HOURLY)
    stage.outbox.people[APP.id, "rep-li"] = told

    stage.run(APP)

    assert stage.heard == [("mgr-wang", "001")]


def test_a_person_who_left_is_told_by_the_next_way() -> None:
    stage = Stage(row(channel=APP, to="rep-gone", channels=["app", "managers"], tried=[]))

    done = stage.run(APP)

    assert (stage.heard, [left.channel for left in stage.outbox.waiting()]) == ([], ["managers"])
    assert (done.moved, len(done.refused)) == (1, 0)


def test_in_quiet_hours_messages_wait_and_come_as_one_list() -> None:
    stage = Stage(*rows(3))
    channel = replace(MANAGERS, quiet=NIGHT)

    stage.run(channel, AT_NIGHT)
    waits = {left.send_at for left in stage.outbox.waiting()}
    stage.run(channel, MORNING)

    assert waits == {MORNING}
    assert stage.texts == ["000 001 002"]


@pytest.mark.parametrize(
    "facts",
    [{"audience": "director"}, {"rule": "no_progress"}, {"to": "mgr-wang"}],
    ids=["an audience", "a rule", "a person"],
)
def test_what_is_excepted_is_said_in_quiet_hours(facts: dict[str, str]) -> None:
    stage = Stage(row(**facts))

    stage.run(replace(MANAGERS, quiet=NIGHT), AT_NIGHT)

    assert stage.texts == ["000"]
