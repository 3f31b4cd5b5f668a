"""GET /r/{token}: a link from a chat opens its report (302 to a short-lived address) or its lead's page.

There is no sign-in on a phone: the token is the right, asked about at every click. What does not open says so as a
page for people: 404 where there never was such a link, 410 where there was.
"""

from __future__ import annotations

from typing import Any, Final

from functions.reports import page
from leadtrail.domain.errors import LeadtrailError, LinkGoneError, NotFoundError
from leadtrail.domain.lead import Lead
from leadtrail.runtime import http, wiring
from leadtrail.runtime.telemetry import count, instrumented, logger
from leadtrail.services import lead_page, links

OPEN_SECONDS: Final = 300  # how long the address of a report lives, after which the link is to be clicked again
PRIVATE: Final = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
}
GONE: Final = (
    "链接已失效",
    "链接已过期、已被撤销，或者您已不再负责这项内容。",
    "请在群里查看最新的推送，或登录系统重新打开。",
)
UNKNOWN: Final = ("没有找到这个链接", "链接可能没有复制完整。", "请回到群里，直接点开原来的消息。")
BUSY: Final = ("系统繁忙", "这会儿打不开，内容没有丢。", "请稍等几秒再点一次。")


@instrumented
def handler(event: dict[str, Any], _: Any) -> http.Answer:
    """Answer a click: 302, 200, 404, 410, or 503 while the table is busy."""
    try:
        return _opened(event)
    except LeadtrailError as error:
        logger.info("link refused", code=error.code, status=error.status)
        count("LinkRefused", code=error.code)
        words = {NotFoundError: UNKNOWN, LinkGoneError: GONE}.get(type(error), BUSY)
        return http.text_answer(error.status, page.notice(*words), "text/html; charset=utf-8", **PRIVATE)


def _opened(event: dict[str, Any]) -> http.Answer:
    world = wiring.world()
    asked = (event.get("requestContext") or {}).get("http") or {}
    visit = links.Visit.of(http.headers(event), str(asked.get("sourceIp", "")), str(asked.get("method", "GET")))
    token = str((event.get("pathParameters") or {}).get("token", ""))
    now = world.now()
    target = links.follow(token, visit=visit, reports=world.reports, store=world.store, config=world.config, now=now)
    if isinstance(target, Lead):
        logger.info("lead page opened", lead_id=target.lead_id, is_preview=visit.is_preview)
        facts = lead_page.snapshot(target, store=world.store, config=world.config, now=now)
        return http.text_answer(200, page.lead(facts), "text/html; charset=utf-8", **PRIVATE)
    logger.info("report opened", report_id=target.id, version=target.version, is_preview=visit.is_preview)
    address = world.objects.presigned_get(world.settings.reports_bucket, target.page_key, seconds=OPEN_SECONDS)
    return http.text_answer(302, "", **PRIVATE, location=address)
