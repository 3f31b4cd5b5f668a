"""What the sweep looks at again before a clock is warned or broken: the calendar, leave, and whose the lead is."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from console.company import OFFICE, USERS
from functions.sla import recount, sweep
from leadtrail.adapters import calendars
from leadtrail.adapters.table import OutboxItem
from leadtrail.domain import lifecycle
from leadtrail.domain.clock import Clock
from leadtrail.domain.instant import to_text
from leadtrail.domain.lead import Lead
from leadtrail.services import handover
from leadtrail.services.ports import Change
from tests.builders import rule
from tests.integration.conftest import TestWorld, TimeTravel
from tests.integration.test_sweep_and_dispatch import FunctionCalls, new_lead
from tests.integration.webhooks import Context

YEAR_END = datetime(2026, 12, 30, 1, tzinfo=UTC)  # Wednesday, 09:00 in Shanghai
NEW_YEAR = date(2027, 1, 1)  # a Friday: by the weekday rule a working day
CALENDAR = {"tz": "Asia/Shanghai", "cn": True, "hours": OFFICE}
FIVE_DAYS = rule(
    name="no_progress", starts="stage.entered", meets=["stage"], measure="working_days", budget="P5D", warn_at=None
)
Publish = Callable[..., None]


@pytest.fixture(autouse=True)
def _functions(world: TestWorld) -> None:
    world.functions = FunctionCalls()


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Publish 2027, as a deployment with a newer package does."""
    rest, work = calendars._day_tables()

    def published(*, off: tuple[date, ...] = (NEW_YEAR,), makeup: tuple[date, ...] = ()) -> None:
        tables = (tuple(sorted((*rest, *off, date(2027, 10, 1)))), tuple(sorted((*work, *makeup))))
        monkeypatch.setattr(calendars, "_day_tables", lambda: tables)
        calendars._published_years.cache_clear()
        calendars._resolved.cache_clear()

    yield published
    monkeypatch.undo()
    calendars._published_years.cache_clear()
    calendars._resolved.cache_clear()


def promise(world: TestWorld, *rules: dict[str, Any], **more: Any) -> None:
    world.config.put("policy", "default", {"calendar": CALENDAR, "rules": list(rules), **more}, now=world.now())


def absent(world: TestWorld, rep_id: str, since: datetime, until: datetime) -> None:
    [user] = [one for one in USERS if one.rep_id == rep_id]
    known = {"name": user.full_name, "role": user.role, "team": user.team, "wecom_userid": user.wecom_userid}
    away = [[to_text(since), to_text(until)]]
    world.config.put("rep", rep_id, {**known, "away": away}, now=world.now())


def swept(clock: TimeTravel, at: datetime) -> dict[str, Any]:
    clock.at = at
    return sweep.handler({}, Context())


def lead_of(world: TestWorld, lead_id: str) -> Lead:
    found = world.store.lead(lead_id)
    assert found is not None
    return found


def clock_of(world: TestWorld, lead_id: str, episode: int = 1) -> Clock:
    [found] = [one for one in lead_of(world, lead_id).clocks if one.episode == episode]
    return found


def kinds(world: TestWorld, lead_id: str) -> list[str]:
    return [event.kind for event in world.store.trail(lead_id)]


def facts_of(world: TestWorld, lead_id: str, kind: str) -> list[dict[str, Any]]:
    return [dict(event.facts) for event in world.store.trail(lead_id) if event.kind == kind]


def waiting(world: TestWorld, channel: str) -> list[OutboxItem]:
    return [OutboxItem.from_raw_data(item) for item in world.store.items(f"OUTBOX#{channel}")]


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


# -- a year that nobody had published --------------------------------------------------------------


@pytest.fixture
def guessed(world: TestWorld, clock: TimeTravel) -> str:
    """A lead of 30 December whose five working days end on 6 January, as far as weekdays tell."""
    clock.at = YEAR_END
    promise(world, FIVE_DAYS)
    return new_lead(clock)


SIXTH, SEVENTH = datetime(2027, 1, 6, 1, tzinfo=UTC), datetime(2027, 1, 7, 1, tzinfo=UTC)


def test_a_due_time_in_an_unpublished_year_is_a_guess_that_breaks_as_guessed(
    world: TestWorld, clock: TimeTravel, guessed: str
) -> None:
    before = clock_of(world, guessed)

    swept(clock, SIXTH + minutes(1))

    assert (before.due_at, before.certainty) == (SIXTH, "estimated")
    assert "clock.rebased" not in kinds(world, guessed)
    assert clock_of(world, guessed).breached_at == SIXTH


def test_a_year_published_meanwhile_moves_the_due_time_before_anybody_is_told(
    world: TestWorld, clock: TimeTravel, guessed: str, publish: Publish
) -> None:
    publish()

    first = swept(clock, SIXTH + minutes(1))
    moved = clock_of(world, guessed)
    second = swept(clock, SEVENTH + minutes(1))

    assert (first["alerts"], second["alerts"]) == (0, 1)
    assert (moved.state, moved.due_at, moved.certainty) == ("running", SEVENTH, "published")
    assert [facts["why"] for facts in facts_of(world, guessed, "clock.rebased")] == ["calendar"]
    assert clock_of(world, guessed).breached_at == SEVENTH


def test_a_year_published_as_guessed_changes_nothing_of_a_clock_that_is_due(
    world: TestWorld, clock: TimeTravel, guessed: str, publish: Publish
) -> None:
    publish(off=())

    swept(clock, SIXTH + minutes(1))

    assert clock_of(world, guessed).breached_at == SIXTH


def test_the_night_after_the_publication_guessed_due_times_are_counted_anew(
    world: TestWorld, clock: TimeTravel, guessed: str, publish: Publish
) -> None:
    before = recount.handler({}, Context())
    publish(makeup=(date(2027, 1, 3),), off=())

    done = recount.handler({}, Context())
    again = recount.handler({}, Context())

    assert (before["estimated"], before["changed"]) == (1, 0)
    assert (done["estimated"], done["changed"]) == (0, 1)
    assert (again["estimated"], again["changed"]) == (0, 0)
    assert clock_of(world, guessed).due_at == SIXTH - timedelta(days=1)  # the Sunday is worked: a day earlier
    assert list(world.store.estimated()) == []


def test_a_breach_that_the_published_year_proves_wrong_is_corrected(
    world: TestWorld, clock: TimeTravel, guessed: str, publish: Publish
) -> None:
    swept(clock, SIXTH + minutes(1))
    publish()

    recount.handler({}, Context())

    assert "alert.retracted" in kinds(world, guessed)
    assert clock_of(world, guessed).breached_at is None
    assert (clock_of(world, guessed, 2).due_at, clock_of(world, guessed, 2).state) == (SEVENTH, "running")
    assert swept(clock, SEVENTH + minutes(1))["alerts"] == 1


def test_a_breach_that_the_published_year_confirms_is_a_guess_no_more(
    world: TestWorld, clock: TimeTravel, guessed: str, publish: Publish
) -> None:
    swept(clock, SIXTH + minutes(1))
    publish(off=())

    done = recount.handler({}, Context())

    assert (done["changed"], done["estimated"]) == (1, 0)
    assert (clock_of(world, guessed).breached_at, clock_of(world, guessed).certainty) == (SIXTH, "published")
    assert list(world.store.estimated()) == []


def test_where_nothing_is_a_guess_the_night_costs_one_query(world: TestWorld, clock: TimeTravel) -> None:
    new_lead(clock)
    calls: list[str] = []
    world.config.company()
    world.dynamodb.meta.events.register("before-call", lambda model, **_: calls.append(model.name))

    done = recount.handler({}, Context())

    assert done == {"estimated": 0, "changed": 0, "finished": True}
    assert calls == ["Query"]


class Hurried(Context):
    """Lambda's context when hardly any time is left."""

    def get_remaining_time_in_millis(self) -> int:
        return 9_000


def test_a_night_without_time_leaves_the_rest_to_the_next(
    world: TestWorld, clock: TimeTravel, guessed: str, publish: Publish
) -> None:
    publish()

    hurried = recount.handler({}, Hurried())
    done = recount.handler({}, Context())

    assert (hurried["finished"], hurried["changed"]) == (False, 0)
    assert (done["finished"], done["changed"]) == (True, 1)


# -- leave -----------------------------------------------------------------------------------------


def test_leave_is_a_pause_where_the_policy_says_so_and_nobody_is_told(world: TestWorld, clock: TimeTravel) -> None:
    start = clock()
    promise(world, rule(), leave="pause")
    lead_id = new_lead(clock)
    absent(world, "rep-li", start + minutes(60), start + minutes(360))  # 10:00 to 15:00

    told = [swept(clock, start + minutes(at))["alerts"] for at in (91, 121, 300, 361)]
    resting = [event.occurred_at for event in world.store.trail(lead_id) if event.kind == "clock.resumed"]
    after = [swept(clock, start + minutes(at))["alerts"] for at in (391, 421)]

    assert told == [0, 0, 0, 0]
    assert resting == [start + minutes(360)]
    assert after == [1, 1]  # the warning at 15:30, the breach at 16:00
    assert clock_of(world, lead_id).breached_at == start + minutes(420)
    assert [facts["why"] for facts in facts_of(world, lead_id, "clock.rebased")] == ["leave"]


def test_leave_that_is_over_by_then_counts_as_well(world: TestWorld, clock: TimeTravel) -> None:
    start = clock()
    promise(world, rule(warn_at=None), leave="pause")
    lead_id = new_lead(clock)
    absent(world, "rep-li", start + minutes(30), start + minutes(60))

    swept(clock, start + minutes(121))
    moved = clock_of(world, lead_id)
    swept(clock, start + minutes(151))

    assert (moved.state, moved.due_at) == ("running", start + minutes(150))
    assert clock_of(world, lead_id).breached_at == start + minutes(150)
    assert len(facts_of(world, lead_id, "clock.rebased")) == 1


def test_leave_before_the_lead_was_theirs_does_not_count(world: TestWorld, clock: TimeTravel) -> None:
    start = clock()
    promise(world, rule(warn_at=None), leave="pause")
    lead_id = new_lead(clock)
    absent(world, "rep-zhang", start + minutes(10), start + minutes(40))
    clock.at = start + minutes(45)
    lead = lead_of(world, lead_id)
    given = lifecycle.assign("rep-zhang", "huadong", clock(), by="person")
    world.store.commit(Change(lead_id=lead_id, recorded_at=clock(), lead=lead, happenings=(given,)))

    swept(clock, start + minutes(121))

    assert clock_of(world, lead_id).breached_at == start + minutes(120)


def test_leave_is_no_pause_where_the_policy_says_nothing(world: TestWorld, clock: TimeTravel) -> None:
    start = clock()
    promise(world, rule(warn_at=None))
    lead_id = new_lead(clock)
    absent(world, "rep-li", start + minutes(60), start + minutes(360))

    swept(clock, start + minutes(121))

    assert clock_of(world, lead_id).breached_at == start + minutes(120)


def test_leave_longer_than_a_pause_may_be_ends_as_a_pause_does(world: TestWorld, clock: TimeTravel) -> None:
    start = clock()
    promise(world, rule(warn_at=None, pause={"cap": "P2D"}), leave="pause")
    lead_id = new_lead(clock)
    absent(world, "rep-li", start + minutes(60), start + timedelta(days=90))

    swept(clock, start + minutes(121))

    assert clock_of(world, lead_id).paused_until == start + minutes(60) + timedelta(days=2)


def test_a_lead_whose_owner_is_away_goes_to_somebody_present_who_is_told(world: TestWorld, clock: TimeTravel) -> None:
    start = clock()
    promise(world, rule(), leave="reassign")
    lead_id = new_lead(clock)
    absent(world, "rep-li", start + minutes(60), start + minutes(360))

    swept(clock, start + minutes(91))

    [assigned] = [facts for facts in facts_of(world, lead_id, "owner.assigned") if facts.get("why") == "leave"]
    assert (assigned["from"], assigned["owner"]) == ("rep-li", "rep-zhang")
    assert lead_of(world, lead_id).owner == "rep-zhang"
    assert [row.facts["audience"] for row in waiting(world, "huadong-group")] == ["owner"]


def test_a_late_sweep_tells_the_newcomer_besides_the_highest_level(world: TestWorld, clock: TimeTravel) -> None:
    start = clock()
    promise(world, rule(), leave="reassign")
    lead_id = new_lead(clock)
    absent(world, "rep-li", start + minutes(60), start + timedelta(days=9))

    swept(clock, start + timedelta(days=2))

    assert [alert.audience for alert in world.store.alerts(lead_id)] == ["director"]
    assert [row.facts["audience"] for row in waiting(world, "managers")] == ["director"]
    assert [row.facts["audience"] for row in waiting(world, "huadong-group")] == ["owner"]


def test_where_everybody_is_away_the_lead_stays(world: TestWorld, clock: TimeTravel) -> None:
    start = clock()
    promise(world, rule(), leave="reassign")
    lead_id = new_lead(clock)
    for rep_id in ("rep-li", "rep-zhang"):
        absent(world, rep_id, start + minutes(60), start + minutes(360))

    answer = swept(clock, start + minutes(91))

    assert (lead_of(world, lead_id).owner, answer["alerts"]) == ("rep-li", 1)


# -- the pool, and hours ---------------------------------------------------------------------------

POOLED = rule(warn_at=None, levels=[{"after": "PT0S", "to": "owner"}, {"after": "PT30M", "to": "pool"}])


def shared(world: TestWorld, clock: TimeTravel) -> dict[str, int]:
    clock.at += minutes(2)
    done = handover.assign_every_waiting(store=world.store, config=world.config, now=world.now)
    return dict(done.moved)


def test_the_level_pool_gives_the_lead_back_and_tells_the_manager_in_the_same_sweep(
    world: TestWorld, clock: TimeTravel
) -> None:
    start = clock()
    promise(world, POOLED)
    lead_id = new_lead(clock)
    swept(clock, start + minutes(121))

    swept(clock, start + minutes(151))

    lead = lead_of(world, lead_id)
    assert (lead.owner, lead.released_from) == (None, "rep-li")
    assert [facts["why"] for facts in facts_of(world, lead_id, "owner.released")] == ["pool"]
    assert [alert.audience for alert in world.store.alerts(lead_id)] == ["owner", "pool"]
    assert [row.facts["audience"] for row in waiting(world, "managers")] == ["pool"]


def test_a_lead_from_the_pool_goes_to_somebody_else(world: TestWorld, clock: TimeTravel) -> None:
    start = clock()
    promise(world, POOLED)
    lead_id = new_lead(clock)
    swept(clock, start + minutes(151))

    moved = shared(world, clock)

    assert moved == {"rep-zhang": 1}
    assert lead_of(world, lead_id).owner == "rep-zhang"
    assert swept(clock, start + minutes(155))["alerts"] == 0  # the level was told


def test_a_lead_that_only_its_former_owner_could_take_holds_up_no_other(world: TestWorld, clock: TimeTravel) -> None:
    start = clock()
    promise(world, POOLED)
    pooled, other = new_lead(clock, 0), new_lead(clock, 1)
    swept(clock, start + minutes(151))
    absent(world, "rep-zhang", start, start + timedelta(days=9))

    moved = shared(world, clock)

    assert moved == {"rep-li": 1}  # rep-zhang's, while that of rep-li waits on
    assert (lead_of(world, pooled).owner, lead_of(world, other).owner) == (None, "rep-li")


@pytest.mark.parametrize(("any_hour", "hours"), [(True, 0), (False, 13)])
def test_a_level_for_any_hour_is_told_at_night(
    world: TestWorld, clock: TimeTravel, any_hour: bool, hours: float
) -> None:
    at_any_hour = {"any_hour": True} if any_hour else {}
    levels = [{"after": "PT0S", "to": "owner", **at_any_hour}, {"after": "PT1H", "to": "manager"}]
    promise(world, rule(measure="natural", budget="PT3H", warn_at=None, levels=levels))
    clock.at += timedelta(hours=8)  # 17:00
    new_lead(clock)
    night = clock() + timedelta(hours=3)

    swept(clock, night)

    [row] = waiting(world, "huadong-group")
    assert row.send_at == to_text(night + timedelta(hours=hours))


def test_an_alert_goes_out_by_its_route(world: TestWorld, clock: TimeTravel) -> None:
    start = clock()
    lead_id = new_lead(clock)

    swept(clock, start + minutes(121))

    [alert] = world.store.alerts(lead_id)
    [row] = waiting(world, "huadong-group")
    assert alert.channel == "huadong-group"
    assert {name: row.facts[name] for name in ("lead", "rule", "level", "alert", "to", "channels", "tried")} == {
        "lead": lead_id,
        "rule": "first_response",
        "level": 1,
        "alert": alert.id,
        "to": None,
        "channels": ["huadong-group"],
        "tried": [],
    }
