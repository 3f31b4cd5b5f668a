"""GET and POST /r/{token}: a link from a chat opens its report (302 to a short-lived address) or its lead's page.

There is no sign-in on a phone: the token is the right, asked about at every click. What does not open says so as a
page for people: 404 where there never was such a link, 410 where there was. Opening changes nothing but what was seen;
the buttons behind an alert's link POST, and lead back to the page (303), which then says what was written.
"""

from __future__ import annotations

from typing import Any, Final

from functions.reports import page, press, refusal
from leadtrail.domain.errors import LeadtrailError
from leadtrail.domain.instant import cut
from leadtrail.domain.report import Report
from leadtrail.runtime import http, wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.services import acknowledging, lead_page, links
from leadtrail.services.links import AlertPage, Visit

OPEN_SECONDS: Final = 300  # how long the address of a report lives, after which the link is to be clicked again
PRIVATE: Final = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
}


@instrumented
def handler(event: dict[str, Any], _: Any) -> http.Answer:
    """Answer a click: 302, 200, 404, 410, or 503 while the table is busy; a button: 303, or 400, 403, 413, 422."""
    try:
        return _pressed(event) if _method(event) == "POST" else _opened(event)
    except LeadtrailError as error:
        logger.info("link refused", code=error.code, status=error.status)
        count("LinkRefused", code=error.code)
        return http.text_answer(error.status, refusal.words(error), "text/html; charset=utf-8", **PRIVATE)


def _opened(event: dict[str, Any]) -> http.Answer:
    world = wiring.world()
    visit = Visit.of(http.headers(event), str(_asked(event).get("sourceIp", "")), _method(event))
    now = world.now()
    target = links.follow(
        _token(event), visit=visit, reports=world.reports, store=world.store, config=world.config, now=now
    )
    if isinstance(target, Report):
        logger.info("report opened", report_id=target.id, version=target.version, is_preview=visit.is_preview)
        address = world.objects.presigned_get(world.settings.reports_bucket, target.page_key, seconds=OPEN_SECONDS)
        return http.text_answer(302, "", **PRIVATE, location=address)
    lead, said = (target.lead, target.said) if isinstance(target, AlertPage) else (target, None)
    logger.info("lead page opened", lead_id=lead.lead_id, is_preview=visit.is_preview)
    facts = lead_page.snapshot(lead, store=world.store, config=world.config, now=now, said=said)
    return http.text_answer(200, page.lead(facts), "text/html; charset=utf-8", **PRIVATE)


def _pressed(event: dict[str, Any]) -> http.Answer:
    world = wiring.world()
    wanted, now, token = press.action(event, world.settings.public_base_url), cut(world.now()), _token(event)
    opened, said = links.find_alert(token, reports=world.reports, store=world.store, config=world.config, now=now)
    done = acknowledging.press(
        acknowledging.Press(wanted, said, by=opened.who), store=world.store, config=world.config, now=now
    )
    logger.info("alert answered", lead_id=said.lead_id, action=wanted, outcome=done.outcome, is_new=done.is_new)
    if done.is_new:
        count("AlertAcknowledged" if wanted == acknowledging.ACKNOWLEDGE else "AlertSnoozed")
    # Relative, for the page may be open under another name of the same address.
    return http.text_answer(303, "", **PRIVATE, location=f"{token}#alert")


def _asked(event: dict[str, Any]) -> dict[str, Any]:
    return (event.get("requestContext") or {}).get("http") or {}


def _method(event: dict[str, Any]) -> str:
    return str(_asked(event).get("method", "GET"))


def _token(event: dict[str, Any]) -> str:
    return str((event.get("pathParameters") or {}).get("token", ""))
