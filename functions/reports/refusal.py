"""Refusals of a link as pages for people: what happened, why, and what to do now."""

from __future__ import annotations

from typing import Final

from functions.reports import page
from leadtrail.domain.errors import (
    BodyTooLargeError,
    ForbiddenError,
    InvalidInputError,
    LeadtrailError,
    LinkGoneError,
    MalformedBodyError,
    NotFoundError,
)

GONE: Final = (
    "链接已失效",
    "链接已过期、已被撤销，或者您已不再负责这项内容。",
    "请在群里查看最新的推送，或登录系统重新打开。",
)
UNKNOWN: Final = ("没有找到这个链接", "链接可能没有复制完整。", "请回到群里，直接点开原来的消息。")
WRONG: Final = ("这个操作无法识别", "请求不完整，或者不是从这个页面发出的。", "请回到群里，重新点开原来的消息再试。")
BUSY: Final = ("系统繁忙", "这会儿打不开，内容没有丢。", "请稍等几秒再点一次。")
WORDS: Final[dict[type[LeadtrailError], tuple[str, str, str]]] = {
    NotFoundError: UNKNOWN,
    LinkGoneError: GONE,
    MalformedBodyError: WRONG,
    InvalidInputError: WRONG,
    BodyTooLargeError: WRONG,
    ForbiddenError: WRONG,
}


def words(error: LeadtrailError) -> str:
    """Return the page of a refusal; what no page has words for is a table that is busy."""
    return page.notice(*WORDS.get(type(error), BUSY))
