"""A channel as the operator wants it, checked: who reads it, whether its secret could work, what no group may read.

A secret is never shown, not even in part: a refusal names the field and what it should look like.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from console.channel_guide import GUIDES
from leadtrail.adapters.mail import is_address
from leadtrail.adapters.posting import is_private
from leadtrail.domain.company import AUDIENCES, PERSONAL_BOTS, Company, read_channel
from leadtrail.domain.errors import InvalidInputError

_NAME = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_CORP = re.compile(r"w[wxp][A-Za-z0-9]{10,30}", re.ASCII)
_MANAGING = {"manager", "director"}
ADDRESSES = {
    "wecom": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…",
    "dingtalk": "https://oapi.dingtalk.com/robot/send?access_token=…",
    "feishu": "https://open.feishu.cn/open-apis/bot/v2/hook/…",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """A channel as the operator wants it; quiet hours are local times such as 21:00."""

    name: str
    bot: str
    audiences: tuple[str, ...]
    team: str | None = None
    title: str = ""
    quiet: tuple[str, str] | None = None
    excepted: tuple[str, ...] = ()


def checked(wish: Wish, company: Company) -> dict[str, Any]:
    """Return the configuration that a wish comes to.

    Raises:
        InvalidInputError: names what is wrong with it.
    """
    if not _NAME.fullmatch(wish.name):
        raise InvalidInputError("name", "只能是1到40个小写字母、数字和连字符")
    if wish.bot not in GUIDES:
        raise InvalidInputError("bot", f"只能是 {'、'.join(GUIDES)} 之一")
    if wish.team is not None and wish.team not in company.teams:
        raise InvalidInputError(
            "team", f"没有 {wish.team} 这个小组（现有：{'、'.join(sorted(company.teams)) or '无'}）"
        )
    _check_audiences(wish)
    body: dict[str, Any] = {
        "bot": wish.bot,
        "audiences": list(dict.fromkeys(wish.audiences)),
        "team": wish.team,
        "name": wish.title,
        "secret": f"channel/{wish.name}",
    }
    if wish.excepted and not wish.quiet:
        raise InvalidInputError("quiet-except", "没有安静时段，不需要例外")
    if wish.quiet:
        body["quiet"] = {"from": wish.quiet[0], "to": wish.quiet[1], "except": list(wish.excepted)}
    read_channel(wish.name, body)
    return body


def _check_audiences(wish: Wish) -> None:
    given = set(wish.audiences)
    if not given or given - set(AUDIENCES):
        raise InvalidInputError("audience", f"至少一个，只能是 {'、'.join(AUDIENCES)}")
    if wish.bot in PERSONAL_BOTS:
        if "team" in given:
            raise InvalidInputError("audience", "这个渠道发给个人，不能以 team（全组）为受众")
        return
    if given & _MANAGING and given - _MANAGING:
        raise InvalidInputError("audience", "给主管与总监的内容不能进团队的群：请为他们另设一个机器人")


def check_secret(bot: str, value: Mapping[str, str]) -> None:
    """Refuse a secret that no provider of this kind could have given.

    Raises:
        InvalidInputError: names the field, and never the value.
    """
    checks: Mapping[str, Callable[[Mapping[str, str]], None]] = {
        "wecom": _check_wecom,
        "dingtalk": _check_dingtalk,
        "feishu": _check_feishu,
        "wecom-app": _check_app,
        "mail": _check_mail,
    }
    checks[bot](value)


def _address(bot: str, value: Mapping[str, str]) -> SplitResult:
    try:
        parts = urlsplit(value["url"])
        host = parts.hostname or ""
    except ValueError:
        raise _unlike(bot) from None
    if not host or not is_private(parts.scheme, host):
        raise _unlike(bot)
    return parts


def _unlike(bot: str) -> InvalidInputError:
    return InvalidInputError("url", f"应当像 {ADDRESSES[bot]}")


def _check_wecom(value: Mapping[str, str]) -> None:
    parts = _address("wecom", value)
    if not parts.path.endswith("/cgi-bin/webhook/send") or not parse_qs(parts.query).get("key"):
        raise _unlike("wecom")


def _check_dingtalk(value: Mapping[str, str]) -> None:
    parts = _address("dingtalk", value)
    if not parts.path.endswith("/robot/send") or not parse_qs(parts.query).get("access_token"):
        raise _unlike("dingtalk")
    if not value.get("secret", "SEC").startswith("SEC"):
        raise InvalidInputError("secret", "加签密钥以 SEC 开头：请复制“加签”下面的一行")


def _check_feishu(value: Mapping[str, str]) -> None:
    path = _address("feishu", value).path
    if "/open-apis/bot/v2/hook/" not in path or path.endswith("/"):
        raise _unlike("feishu")


def _check_app(value: Mapping[str, str]) -> None:
    if not _CORP.fullmatch(value["corp_id"]):
        raise InvalidInputError("corp_id", "企业ID以 ww 开头，在管理后台“我的企业”页面的最下方")
    if not (value["agent_id"].isascii() and value["agent_id"].isdigit()):
        raise InvalidInputError("agent_id", "AgentId 是数字，在应用的详情页")


def _check_mail(value: Mapping[str, str]) -> None:
    if not is_address(value["from"]):
        raise InvalidInputError("from", "需要一个邮箱地址，例如 leadtrail@example.com")
    others = [name for name in ("port", "user", "password") if value.get(name)]
    if others and not value.get("host"):
        raise InvalidInputError("host", "填了 SMTP 的其他项，还缺服务器")
    if value.get("port") and not (value["port"].isdigit() and 0 < int(value["port"]) < 65536):
        raise InvalidInputError("port", "端口是1到65535之间的数字，通常是465或587")
    if bool(value.get("user")) != bool(value.get("password")):
        raise InvalidInputError("password", "用户与密码要一起填")
