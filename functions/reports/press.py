"""POST /r/{token}: one of the two buttons behind an alert's link, which a plain form without a script sends.

The token is the right, as with opening: no cookie goes along, so that another site can borrow nobody's. A form that
another site sends is refused all the same, where the browser says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from leadtrail.domain.errors import ForbiddenError, MalformedBodyError
from leadtrail.runtime import http
from leadtrail.services.acknowledging import ACTIONS

LIMIT_BYTES: Final = 1024
FORM: Final = "application/x-www-form-urlencoded"
NO_ORIGIN: Final = "null"  # what browsers say for a page that sends no referrer, as ours do


def action(event: Mapping[str, Any], public_base_url: str) -> str:
    """Return which button was pressed.

    Raises:
        ForbiddenError: the form stood on another site.
        BodyTooLargeError: over 1 KB.
        MalformedBodyError: no form, or none of ours.
    """
    headers = http.headers(event)
    _check_origin(headers, public_base_url)
    raw = http.raw_body(event, limit=LIMIT_BYTES)
    if headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
        raise MalformedBodyError("需要一个表单")
    try:
        fields = parse_qs(raw.decode("ascii"), strict_parsing=True, max_num_fields=4)
    except ValueError as error:  # not ASCII, not a form, too many fields
        raise MalformedBodyError("不是有效的表单") from error
    wanted = fields.get("action", [])
    if set(fields) != {"action"} or len(wanted) != 1 or wanted[0] not in ACTIONS:
        raise MalformedBodyError("没有这个操作")
    return wanted[0]


def _check_origin(headers: Mapping[str, str], public_base_url: str) -> None:
    origin = headers.get("origin", NO_ORIGIN)
    own = {urlsplit(public_base_url).netloc.lower(), headers.get("host", "").lower()}
    if origin != NO_ORIGIN and urlsplit(origin).netloc.lower() not in own:
        raise ForbiddenError
