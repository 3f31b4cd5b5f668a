"""Leads that live at random, held against the slow truth: use cases, store and clocks together, crashes included."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date
from random import Random
from typing import Any

import pytest

from leadtrail.domain import lead as leads_of
from leadtrail.domain import lifecycle
from leadtrail.domain import policy as policies
from leadtrail.domain import trail as trails
from leadtrail.domain.company import Channel, Company, Rep, Source, Team
from leadtrail.domain.delivery import CallRecord, Contact, Delivery
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import Lead
from leadtrail.domain.lifecycle import Timing
from leadtrail.domain.pausing import Wish
from leadtrail.domain.policy import Policy
from leadtrail.domain.trail import Happening
from leadtrail.services import giving, intake, steering, touching, watch
from leadtrail.services.idempotency import Command
from leadtrail.services.people import Caller
from leadtrail.services.ports import Alert, Change, Person, Receipt
from leadtrail.services.steering import Order
from tests.builders import NINE, policy_body
from tests.clock_reference import DAY, QUARTER, Clock, Reference
from tests.memory_store import CrashError, MemoryConfiguration, MemoryStore

RUNS, STEPS = 300, 50
PHONE = Identity("phone", "+8613800138001")
BOSS = Caller("mgr-wang", "王芳", "manager", "huadong")
REPS = ("rep-li", "rep-zhang")


def policy(version: int, off: frozenset[date]) -> Policy:
    body = policy_body()
    closed = {"calendar": body["calendar"] | {"off": sorted(day.isoformat() for day in off)}}
    return policies.parse("default", version, NINE, body | closed)


def company(current: Policy) -> Company:
    reps = [Rep(name, name, "rep", "huadong") for name in REPS] + [Rep("mgr-wang", "王芳", "manager", "huadong")]
    return Company(
        stamp=1,
        name="示例公司",
        zone="Asia/Shanghai",
        teams={"huadong": Team("huadong", "华东")},
        reps={rep.id: rep for rep in reps},
        sources={"standard": Source("standard", "standard", "huadong", "source/standard")},
        channels={"group": Channel("group", "wecom", ("owner", "manager", "director"), "channel/group")},
        policies={"default": current},
    )


@dataclass
class Life:
    """One lead that lives at random beside its reference."""

    dice: Random

    def __post_init__(self) -> None:
        self.now = NINE + QUARTER * self.dice.randrange(0, 4 * 24 * 7)
        self.off: frozenset[date] = frozenset()
        self.version = 1
        self.store: Any = MemoryStore()  # what these use cases need of a Store
        self.config = MemoryConfiguration(company(policy(1, self.off)), {("default", 1): policy(1, self.off)})
        self.keys = 0
        self.deliver(Delivery("standard", "form", "lead", None, True, (PHONE,), Contact(name="王建国")))
        self.reference = Reference(self.now, self.off)
        self.swept_at = self.now

    @property
    def lead(self) -> Lead:
        lead: Lead
        [lead] = self.store.projections.values()
        return lead

    def through_crashes(self, act: Callable[[], Any]) -> None:
        """Do something as machines do it that repeat themselves until they are answered."""
        self.store.dies = self.dice.choice([None, None, None, "before", "after"])
        while True:
            try:
                act()
            except CrashError:
                continue
            self.store.dies = None
            return

    def deliver(self, delivery: Delivery) -> None:
        self.keys += 1
        attempts = iter(range(100))
        self.through_crashes(
            lambda: intake.receive(
                delivery,
                None,
                store=self.store,
                config=self.config,
                new_person=lambda contact: Person("P", contact, b"k" * 32, b"s" * 16),
                attempt=f"{delivery.key} {next(attempts)}",
                now=lambda: self.now,
            )
        )

    def order(self) -> Order:
        self.keys += 1
        command = Command.of("mgr-wang", f"key {self.keys}", "POST", {})
        return Order(self.lead.lead_id, "客户要求", BOSS, command, self.now)

    # what may happen

    def call(self) -> None:
        at = max(self.now - QUARTER * self.dice.randrange(0, 24), self.lead.received_at)
        self.deliver(
            Delivery("standard", f"call {self.keys}", "call", at, True, (PHONE,), call=CallRecord("out", at, 65))
        )
        self.reference.touch(at, self.now, self.off, typed=False)

    def report(self) -> None:
        said = touching.Report("call", "out", self.now, 65)
        order = self.order()
        self.through_crashes(
            lambda: touching.report(
                order.lead_id,
                said,
                caller=BOSS,
                command=order.command,
                store=self.store,
                config=self.config,
                now=self.now,
            )
        )
        self.reference.touch(self.now, self.now, self.off, typed=True)

    def advance(self) -> None:
        receipt = Receipt("crm", f"stage {self.keys}", "imported", self.lead.lead_id, "a", self.now)
        self.keys += 1

        def move() -> None:
            if ("crm", receipt.key) in self.store.receipts:
                return
            current = self.config.company().policies["default"]
            change = Happening("stage.changed", self.now, "crm", {"from": self.lead.stage, "to": f"S{self.keys}"})
            timing = Timing(current, self.config.calendar(current))
            happenings = lifecycle.advance(self.lead, change, timing=timing)
            self.store.commit(
                Change(self.lead.lead_id, self.now, lead=self.lead, happenings=happenings, receipt=receipt)
            )

        self.through_crashes(move)
        for clock in [each for each in self.reference.owed() if each.rule == "no_progress"]:
            clock.met = self.now
        self.reference.clocks.append(Clock("no_progress", self.now, self.off))

    def pause(self) -> None:
        until = self.now + QUARTER * self.dice.randrange(1, 200)
        asked = [clock for clock in self.reference.owed() if not clock.rests(self.now)]
        spent = [sum((b - a for a, b in clock.pauses), until - self.now) for clock in asked]
        if not asked or max(spent) > 14 * DAY:
            return
        order = self.order()
        wish = Wish(until, "customer-asked")
        self.through_crashes(lambda: steering.pause(order, wish, store=self.store, config=self.config))
        for clock in asked:
            clock.pauses.append((self.now, until))

    def resume(self) -> None:
        resting = [clock for clock in self.reference.owed() if clock.rests(self.now)]
        if not resting:
            return
        order = self.order()
        self.through_crashes(lambda: steering.resume(order, store=self.store, config=self.config))
        for clock in resting:
            clock.pauses = [(a, min(b, self.now)) for a, b in clock.pauses]

    def end(self) -> None:
        order = self.order()
        self.through_crashes(lambda: steering.close(order, "lost", store=self.store, config=self.config))
        self.reference.closed = self.now
        for clock in self.reference.owed():
            clock.ended = self.now

    def reopen(self) -> None:
        order = self.order()
        self.through_crashes(lambda: steering.reopen(order, store=self.store, config=self.config))
        closed = self.reference.closed
        for clock in {each.rule: each for each in self.reference.clocks if each.ended == closed}.values():
            pauses = [*clock.pauses, (closed, self.now)]
            self.reference.clocks.append(replace(clock, pauses=pauses, ended=None))

    def give(self) -> None:
        to = next(rep for rep in REPS if rep != self.lead.owner)
        order = self.order()
        self.through_crashes(
            lambda: giving.give(
                order.lead_id,
                to,
                "换人",
                caller=BOSS,
                command=order.command,
                store=self.store,
                config=self.config,
                now=self.now,
            )
        )
        assert self.lead.owner == to

    def edit_calendar(self) -> None:
        self.off ^= {self.now.astimezone(UTC).date() + DAY * self.dice.randrange(1, 8)}
        self.version += 1
        self.config.publish(policy(self.version, self.off))

    def pass_time(self) -> None:
        self.now += QUARTER * self.dice.choice([1, 2, 4, 8, 20, 60, 200])

    def sweep(self) -> None:
        def run() -> None:
            swept = watch.sweep(store=self.store, config=self.config, now=self.now)
            for _, error in swept.failed:
                raise error

        self.through_crashes(run)
        self.swept_at = self.now

    def step(self) -> None:
        either = [self.pass_time, self.pass_time, self.sweep, self.sweep, self.edit_calendar]
        living = [self.call, self.call, self.report, self.advance, self.pause, self.resume, self.give, self.end]
        self.dice.choice(either + (living if self.lead.is_open else [self.reopen, self.reopen]))()

    def numbered(self) -> Iterator[tuple[str, int, Clock]]:
        """Yield the reference's clocks with rule and episode."""
        counts: Counter[str] = Counter()
        for clock in self.reference.clocks:
            counts[clock.rule] += 1
            yield clock.rule, counts[clock.rule], clock

    def alerts(self) -> list[Alert]:
        return list(self.store.raised.values())

    def check(self) -> None:
        """Sweep, and hold everything against the slow truth."""
        self.sweep()
        lead = self.lead
        events = self.store.trail(lead.lead_id)
        assert leads_of.fold(events) == lead
        assert trails.verify(events) is None
        found = sorted((c.rule, c.episode, c.state, c.due_at, c.met_at) for c in lead.clocks)
        wanted = []
        for rule, episode, clock in self.numbered():
            met = max(clock.met, clock.start) if clock.met else None
            wanted.append((rule, episode, clock.state(self.now), clock.due(), met))
        assert found == sorted(wanted)
        levels = {(c.rule, c.episode): c.level for c in lead.clocks if c.is_late and c.paused_until is None}
        for rule, episode, clock in self.numbered():
            if (rule, episode) in levels:
                assert levels[rule, episode] == clock.level(self.now)
        begun = {(rule, episode): clock.start for rule, episode, clock in self.numbered()}
        told = Counter((alert.rule, begun[alert.rule, alert.episode], alert.level) for alert in self.alerts())
        assert not [level for level, times in told.items() if times > 1], "told twice"


@pytest.mark.parametrize("seed", range(RUNS))
def test_whatever_happens_to_a_lead_its_clocks_are_those_of_the_slow_truth(seed: int) -> None:
    life = Life(Random(seed))

    for _ in range(STEPS):
        life.step()
        if life.dice.random() < 0.3:
            life.check()
    life.check()
