"""How many calls to AWS each operation of a warm function makes, and that they do not grow with open leads."""

from __future__ import annotations

from datetime import timedelta

from functions.reports import daily
from functions.sla import dispatch, sweep
from leadtrail.adapters.table import SHARDS
from tests.bench.figure import Figure, Section
from tests.bench.stand import Ledger, Stand, stand
from tests.integration.people import ask
from tests.integration.webhooks import Context, call_completed, lead_created

OUTBOX = "looks at the outbox and at what was set aside, and hand-overs to dispatch"
CHANNEL = "huadong-group"


def section() -> Section:
    """Measure the calls of the webhook, a person's touch, the sweep, dispatch and the daily report."""
    with stand() as company:
        figures = [*_webhook(company), _touch(company)]
    for open_leads, waking in ((10, 0), (10, 5), (100, 0), (100, 5)):
        with stand() as company:
            figures += _sweep(company, open_leads, waking)
    figures += [*_dispatch(), _reports()]
    return Section(
        "Calls to AWS",
        tuple(figures),
        (
            "Calls to all services, written down by botocore hooks on moto, by a warm function (hand-overs to dispatch"
            " are played, and counted). A warm function reads its configuration (1 query) and the secrets that it uses"
            " (1 call each) again once a minute, and a version of a policy once in the life of a container: that is in"
            " no figure but the one that names it.",
        ),
    )


def _webhook(company: Stand) -> list[Figure]:
    company.fill(1)  # warm
    found = {}
    for name, event in {
        "a": lead_created(company.clock(), message_id="a"),
        "again": lead_created(company.clock(), message_id="a"),
    }.items():
        with company.page() as found[name]:
            company.post(event, name)
    company.clock.at += timedelta(seconds=20)
    with company.page() as known:
        company.post(lead_created(company.clock(), message_id="b", email="z@example.com"), "b")
    with company.page() as late:
        company.post(call_completed(company.clock() - timedelta(seconds=10), message_id="c"), "c")
    company.clock.at += timedelta(seconds=61)
    with company.page() as minute:
        company.post(lead_created(company.clock(), message_id="d", phone="13700000001"), "d")
    return [
        _figure("webhook, new lead", found["a"], 2),
        _figure("webhook, known contact", known, 3),
        _figure("webhook, duplicate", found["again"], 1),
        _figure("webhook, known contact, older than what is known (refolds the trail)", late, None),
        _figure("webhook, new lead, once a minute (configuration and secrets read again)", minute, None),
    ]


def _touch(company: Stand) -> Figure:
    lead_id = company.post(lead_created(company.clock(), message_id="t", phone="13700000002"), "t")["id"]
    company.clock.at += timedelta(seconds=5)
    said = {"kind": "call", "direction": "out", "occurred_at": company.clock().isoformat(), "talk_s": 60}
    company.world.config.current()
    with company.page() as page:
        reply = ask("POST", f"/leads/{lead_id}/touches", user="admin", body=said, key="once")
    if reply.status != 201:
        raise RuntimeError(f"the touch was answered {reply}")
    return _figure("a person's touch, with Idempotency-Key", page, None)


def _sweep(company: Stand, open_leads: int, waking: int) -> list[Figure]:
    """Return the calls of one sweep: a lead before those that are measured warms the function."""
    company.fill(1)
    company.clock.at += timedelta(seconds=30)
    company.fill(waking)
    company.clock.at += timedelta(minutes=60)
    company.fill(open_leads - waking - 1)
    company.clock.at += timedelta(minutes=29, seconds=31)  # three quarters of two hours: the first lead is warned
    sweep.handler({}, Context())
    company.clock.at += timedelta(seconds=30)
    with company.page() as page:
        swept = sweep.handler({}, Context())
    if swept["leads"] != waking:
        raise RuntimeError(f"{swept['leads']} leads woke, {waking} were to")
    beside = 2 + 2 * len(swept["channels"])
    clocks = len(page.calls) - beside
    promised = SHARDS + 2 * waking
    return [
        Figure(
            f"sweep, {open_leads} open leads, {waking} wake",
            f"{SHARDS} shards + 2 × {waking} = {promised}",
            f"{clocks}, and {beside} {OUTBOX}",
            f"{page.words}; queries returned {page.items} items",
            clocks == promised,
        )
    ]


def _dispatch() -> list[Figure]:
    found = {messages: _dispatched(messages) for messages in (0, 1, 5, 6)}
    each, rest = divmod(len(found[5].calls) - len(found[1].calls), 4)
    if rest:
        raise RuntimeError(f"messages cost differently: {found[1].words}; {found[5].words}")
    return [
        Figure(
            "dispatch, each message",
            "-",
            str(each),
            f"a run with 5 messages ({len(found[5].calls)} calls: {found[5].words}) less one with 1, over 4",
        ),
        _figure("dispatch, six messages, which are one list", found[6], None),
        _figure("dispatch, a channel with nothing due", found[0], None),
    ]


def _dispatched(messages: int) -> Ledger:
    """Return the calls of one run of a warm dispatch over a channel in which so many messages wait."""
    with stand() as company:
        company.fill(1)
        company.clock.at += timedelta(seconds=30)
        company.fill(messages)
        company.clock.at += timedelta(minutes=89, seconds=31)
        sweep.handler({}, Context())
        dispatch.handler({"channel": CHANNEL}, Context())  # warm: the first lead's warning
        company.clock.at += timedelta(seconds=30)
        sweep.handler({}, Context())
        with company.page() as page:
            dispatch.handler({"channel": CHANNEL}, Context())
    return page


def _reports() -> Figure:
    found = {}
    for open_leads in (10, 100):
        with stand() as company:
            company.fill(2)
            company.clock.at += timedelta(minutes=90)
            company.fill(open_leads - 2)
            company.clock.at += timedelta(minutes=31)
            sweep.handler({}, Context())
            with company.page() as found[open_leads]:
                daily.handler({"team": "huadong", "day": "2026-01-26"}, Context())
    few, many = found[10], found[100]
    return Figure(
        "daily report of a team, 2 leads late, 10 or 100 open",
        "the same whatever is open",
        f"{len(few.calls)} and {len(many.calls)}",
        f"{many.words}; queries returned {few.items} and {many.items} items",
        (few.calls, few.items) == (many.calls, many.items),
    )


def _figure(name: str, page: Ledger, promised: int | None) -> Figure:
    found = len(page.calls)
    if promised is None:
        return Figure(name, "-", str(found), page.words)
    return Figure(name, str(promised), str(found), page.words, found == promised)
