"""`leadtrail channel test`: one message through the very adapter that sends alerts, and what to mend if it was refused.

The message goes past the outbox: it counts against the robot's minute, and dispatch does not know of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from zoneinfo import ZoneInfo

from rich.console import Console

from console.channels import named
from leadtrail.domain.company import Channel, Company, Rep
from leadtrail.domain.errors import InvalidInputError
from leadtrail.domain.message import harmless
from leadtrail.runtime.wiring import World
from leadtrail.services.dispatching import Answer, Failed, Limited, Sent, Unanswered

TITLE = "测试消息"
_AGAIN = "用 leadtrail channel add … --new-secret 重新填写"
_TRUST = "来源地址不受信任：把 EgressAddress（运行本命令时则是本机的出口地址）填入“企业可信IP”"
# What a provider said, as the adapter reports it -> what to do. Codes mean the same wherever they come from.
ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "has no secret": f"密钥还没有写入：{_AGAIN}",
        "a secret without": f"密钥的内容不全：{_AGAIN}",
        "errcode 93000": f"机器人已被移出群，或地址不对：在群里重新复制 Webhook 地址，{_AGAIN}",
        "errcode 300001": f"机器人已被删除，或 access_token 不对：在群里重新复制 Webhook 地址，{_AGAIN}",
        "errcode 300005": f"机器人已被删除，或 access_token 不对：在群里重新复制 Webhook 地址，{_AGAIN}",
        "errcode 310000": "安全设置不符：核对加签密钥；若设了关键词或IP段，请改用“加签”；也请核对本机时间",
        "code 19001": f"机器人已被移出群，或地址不对：在群里重新复制 Webhook 地址，{_AGAIN}",
        "code 19021": "签名不对：核对签名密钥；也请核对本机时间",
        "code 19022": "来源地址不在白名单：去掉“IP 白名单”，改用“签名校验”",
        "code 19024": "缺少关键词：去掉“自定义关键词”，改用“签名校验”",
        "untrusted-address": _TRUST,
        "errcode 60020": _TRUST,
        "bad-secret": f"应用的 Secret 不对：{_AGAIN}",
        "errcode 40001": f"应用的 Secret 不对：{_AGAIN}",
        "not-permitted": "应用没有发消息的权限：在管理后台核对应用的权限与“可见范围”",
        "errcode 48002": "应用没有发消息的权限：在管理后台核对应用的权限与“可见范围”",
        "bad-corp-id": f"企业ID不对：{_AGAIN}",
        "errcode 40056": f"AgentId 不对：{_AGAIN}",
        "errcode 301002": f"Secret 与 AgentId 不是同一个应用的：{_AGAIN}",
        "errcode 81013": "此人不在应用的可见范围内，或 UserID 不对：核对人员的 wecom_userid 与应用的“可见范围”",
        "errcode 60011": "此人不在应用的可见范围内：在应用的“可见范围”里加上",
        "invaliduser": "此人不在应用的可见范围内，或 UserID 不对：核对人员的 wecom_userid 与应用的“可见范围”",
        "nobody with a WeCom UserID": "此人没有可用的企业微信 UserID：在公司配置里填写 wecom_userid",
        "nobody with a mail address": "此人没有邮箱：在公司配置里填写 email",
        "MessageRejected": "SES 拒绝：发件地址或域名还没有验证，或账号仍在沙盒中",
        "AccessDeniedException": "没有发送的权限：部署时选 mailer=ses 与 mail_identity",
        "SMTPAuthenticationError": f"SMTP 的用户或密码不对：{_AGAIN}",
        "SMTPNotSupportedError": "服务器不支持加密连接：换用 465 或 587 端口",
        "ConnectionRefusedError": "连不上：核对地址与端口",
        "gaierror": "找不到这个主机名：核对地址，以及本机的网络",
        "unreachable": "连不上企业微信的接口：核对本机的网络",
        "SSLCertVerificationError": "对方的证书不受信任：核对地址",
    }
)


def run(name: str, world: World, *, to: str | None = None, console: Console | None = None) -> int:
    """Send one message and print what the provider answered; return the exit status.

    Raises:
        InvalidInputError: there is no such channel, no such person, or a channel to persons was given none.
    """
    screen = console or Console()
    company = world.config.current()
    channel = named(name, company)
    rep = _person(to, channel, company)
    answer = world.robots.send(channel, _message(channel, company, world), to=rep, title=TITLE)
    text, is_good = said(answer)
    screen.print(text, style="green" if is_good else "red", markup=False, soft_wrap=True)
    return 0 if is_good else 1


def said(answer: Answer) -> tuple[str, bool]:
    """Return an answer in words for the operator, and whether it is the wished one."""
    match answer:
        case Sent():
            return "对方已收下，请到群里或手机上看一眼", True
        case Limited(mute):
            return f"对方说太快了：{round(mute.total_seconds() / 60)}分钟后再试", False
        case Unanswered(reason):
            return f"对方没有回答（{reason}）：消息可能已经送达，请先看一眼，再决定要不要重试", False
        case Failed(reason, permanent):
            later = "" if permanent else "，可以稍后再试"
            return f"没有送达：{reason}\n{advice(reason) or '请对照 docs/channels.md'}{later}", False


def advice(reason: str) -> str | None:
    """Return what to mend, None for what nobody has met yet."""
    known = (text for part, text in ADVICE.items() if re.search(rf"(?<!\w){re.escape(part)}(?!\w)", reason))
    return next(known, None)


def _person(to: str | None, channel: Channel, company: Company) -> Rep | None:
    if not channel.is_personal:
        if to is not None:
            raise InvalidInputError("to", f"{channel.id} 发到群里，不需要指定人")
        return None
    rep = company.reps.get(to or "")
    if rep is None:
        raise InvalidInputError(
            "to", f"{channel.id} 发给个人，请用 --to 指定人员的编号，例如 {min(company.reps, default='rep-li')}"
        )
    return rep


def _message(channel: Channel, company: Company, world: World) -> str:
    at = world.now().astimezone(ZoneInfo(company.zone))
    name = harmless(channel.name or channel.id)
    return f"### {TITLE}\n> 渠道：{name}\n> 时间：{at:%m-%d %H:%M:%S}\n收到这条消息，说明渠道可用"
