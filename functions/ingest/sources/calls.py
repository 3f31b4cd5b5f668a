"""What call systems share: bodies as JSON or as a form, local times, seconds of talk, and the delivery of one call.

Call systems label JSON as a form and the other way round: the first byte tells. A time without a zone is China's
(+08:00); numbers come as numbers or as text. The messages of one call are joined by its session, in either order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl

from functions.ingest.sources import Request, fields
from functions.ingest.sources.person import person
from leadtrail.domain import instant
from leadtrail.domain.delivery import CallRecord, Contact, Delivery, RecordingOffer
from leadtrail.domain.errors import InvalidInputError, MalformedBodyError
from leadtrail.domain.identity import Identity
from leadtrail.runtime.http import json_object

CHINA = timezone(timedelta(hours=8))  # without daylight saving since 1991
DAY_S = 86400
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
MILLISECONDS = 10**11  # a larger epoch counts milliseconds: as seconds it would be the year 5138
PAIRS = 500  # more fields than any call system sends
_DIGITS = re.compile(r"\d{1,18}", re.ASCII)
_SECONDS = re.compile(r"(\d{1,9}) ?秒?", re.ASCII)
_COMPACT = re.compile(r"20\d{12}", re.ASCII)
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?P<offset>Z|[+-]\d\d:?\d\d)?", re.ASCII)
_URL = re.compile(r"https?://[^\s/]\S*", re.ASCII | re.IGNORECASE)


def message(request: Request) -> Mapping[str, Any]:
    """Return the fields of the body, JSON or form-encoded.

    Raises:
        MalformedBodyError: neither; not UTF-8, NUL, or a field that stands twice.
    """
    if request.body.lstrip()[:1] in (b"{", b"["):
        return json_object(request.body)
    pairs = form(request.body)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedBodyError("表单字段重复")
    return found


def form(raw: bytes) -> list[tuple[str, str]]:
    """Return the pairs of a form-encoded body in their order, empty values included.

    Raises:
        MalformedBodyError: no form, over 500 fields, not UTF-8, or with NUL.
    """
    try:
        pairs = parse_qsl(
            raw.decode(), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=PAIRS
        )
    except ValueError as error:  # UnicodeDecodeError is one
        raise MalformedBodyError("不是有效的表单") from error
    if any("\0" in key or "\0" in value for key, value in pairs):
        raise MalformedBodyError("文字中含有无效字符")
    return pairs


def word(body: Mapping[str, Any], key: str, path: str, *, required: bool = False) -> str:
    """Return a text or a whole number as text: identifiers and telephone numbers come as both."""
    value = body.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    said = fields.text(body, key, path).strip()
    if required and not said:
        raise InvalidInputError(path, "不能为空")
    return said


def identifier(body: Mapping[str, Any], key: str, path: str) -> str:
    """Return what names a call or a recording: required, at most 256 characters."""
    value = word(body, key, path, required=True)
    if len(value) > 256:
        raise InvalidInputError(path, "最多256个字符")
    return value


def first_word(body: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Return the first of several fields that says something, or nothing."""
    return next((value for key in keys if (value := word(body, key, key))), "")


def seconds(body: Mapping[str, Any], key: str, path: str, *, required: bool = False) -> int | None:
    """Return whole seconds from 0 to a day, as a number or as text (``65``, ``65秒``); None where there are none."""
    said = word(body, key, path, required=required)
    if not said:
        return None
    match = _SECONDS.fullmatch(said)
    if match is None or int(match[1]) > DAY_S:
        raise InvalidInputError(path, f"需要0到{DAY_S}之间的整数秒")
    return int(match[1])


def moment(body: Mapping[str, Any], key: str, path: str, *, required: bool = False) -> datetime | None:
    """Return an instant (aware UTC) of the years 2000 to 2099; None where it is absent, empty or 0.

    Understood are epoch seconds and milliseconds, ISO 8601 with an offset, and China's local time:
    ``2025-10-16 17:31:13`` and ``20251016173113``.
    """
    said = word(body, key, path, required=required)
    if said in ("", "0") and not required:
        return None
    try:
        return between(_read(said), path)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(path, "需要时间，如 2025-10-16 17:31:13 或秒、毫秒时间戳") from error


def required_moment(body: Mapping[str, Any], key: str, path: str) -> datetime:
    """Return an instant that has to be there."""
    found = moment(body, key, path, required=True)
    assert found is not None  # noqa: S101 - required above; tells the type checker
    return found


def between(at: datetime, path: str) -> datetime:
    """Return ``at`` in UTC, or refuse it: nobody's call was before 2000 or will be after 2099."""
    if not EARLIEST <= at < LATEST:
        raise InvalidInputError(path, "时间超出范围")
    return instant.cut(at)


def _read(said: str) -> datetime:
    if _COMPACT.fullmatch(said):  # as an epoch of milliseconds it would be the year 2600
        return datetime.strptime(said, "%Y%m%d%H%M%S").replace(tzinfo=CHINA)
    if _DIGITS.fullmatch(said):
        epoch = int(said)
        whole_s, rest_ms = divmod(epoch, 1000) if epoch >= MILLISECONDS else (epoch, 0)
        return datetime.fromtimestamp(whole_s, UTC) + timedelta(milliseconds=rest_ms)
    match = _WRITTEN.fullmatch(said)
    if match is None:
        raise ValueError("no time that a call system writes")
    at = datetime.fromisoformat(said)
    return at if match["offset"] else at.replace(tzinfo=CHINA)


def offer(
    url: str, path: str, *, party: str = "both", started_at: datetime | None = None, duration_s: int | None = None
) -> RecordingOffer:
    """Return a recording offered at ``url``; asked for over https whatever the call system wrote.

    Raises:
        InvalidInputError: not http or https.
    """
    if not _URL.fullmatch(url):
        raise InvalidInputError(path, "需要以 https:// 开头的地址")
    return RecordingOffer(f"https://{url.partition('://')[2]}", party, started_at, duration_s)


def session(request: Request, call_id: str) -> Identity:
    """Return what joins the messages of one call, whichever comes first."""
    source = request.source
    return Identity("session", f"{source.provider}:{source.id}:{call_id}")


def call(
    request: Request,
    *,
    key: str,
    call_id: str,
    direction: str,
    customer: str,
    started_at: datetime,
    talk_s: int,
    agent: str = "",
    recordings: tuple[RecordingOffer, ...] = (),
    signed: bool = False,
    parked: str | None = None,
) -> Delivery:
    """Return the delivery of a finished call; ``customer`` is the number of the customer's side as it was sent."""
    contact, identities, unreachable = person(phone=customer)
    return Delivery(
        source=request.source.id,
        key=key,
        kind="call",
        occurred_at=started_at,
        signed=signed,
        identities=(*identities, session(request, call_id)),
        contact=contact,
        call=CallRecord(direction, started_at, talk_s, agent or None),
        recordings=recordings,
        parked=parked or unreachable,
    )


def recording(
    request: Request, *, key: str, call_id: str, offered: RecordingOffer, customer: str = "", signed: bool = False
) -> Delivery:
    """Return the delivery of a recording whose call another message tells of."""
    contact, identities, _ = person(phone=customer) if customer else (Contact(), (), None)
    return Delivery(
        source=request.source.id,
        key=key,
        kind="recording",
        occurred_at=offered.started_at,
        signed=signed,
        identities=(*identities, session(request, call_id)),
        contact=contact,
        recordings=(offered,),
    )


def parked(request: Request, *, key: str, kind: str, reason: str, call_id: str = "", signed: bool = False) -> Delivery:
    """Return a message that is no finished call: kept with its reason, and replayed when a parser learns it."""
    identities = (session(request, call_id),) if call_id else ()
    return Delivery(request.source.id, key, kind, None, signed=signed, identities=identities, parked=reason)
