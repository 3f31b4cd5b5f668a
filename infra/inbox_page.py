"""The robots' inbox as a page: a window for each way of reaching people, with what they would have seen.

Message text is hostile until escaped: it is escaped first, and only then do the few marks of the robots' markdown turn
into elements, so that nothing a lead is called can become one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from infra.chat_provider import Message

PAGE_ZONE = ZoneInfo("Asia/Shanghai")
PAGE_MESSAGES = 200
WINDOWS = (
    ("wecom-app", "企业微信", "应用消息，只有本人看到"),
    ("wecom", "企业微信", "群机器人"),
    ("dingtalk", "钉钉", "自定义机器人"),
    ("feishu", "飞书", "自定义机器人"),
    ("mail", "邮件", "最后的途径"),
)
ALWAYS = ("wecom", "dingtalk")  # the others have a window as soon as they have something to show
STYLE = """
:root{color-scheme:light dark;--bg:#e9ebee;--pane:#f5f6f7;--card:#fff;--ink:#1d2129;--soft:#6b7280;--line:#dfe2e6;
--warning:#c2410c;--info:#15803d;--wecom:#2a6fd6;--dingtalk:#1677ff;--feishu:#0f9d8a;--mail:#7c5cc4}
@media(prefers-color-scheme:dark){:root{--bg:#111315;--pane:#1a1d20;--card:#24282c;--ink:#e8eaed;--soft:#9aa3ad;
--line:#33383d;--warning:#fb923c;--info:#4ade80;--wecom:#6ea8fe;--dingtalk:#69a9ff;--feishu:#3ccfb9;--mail:#b29be8}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.6 "PingFang SC","HarmonyOS Sans SC","MiSans",
"Microsoft YaHei",sans-serif}
main{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:16px;max-width:1680px;margin:0 auto;
padding:16px;align-items:start}
section{background:var(--pane);border:1px solid var(--line);border-radius:12px;overflow:hidden;min-width:0}
h1{font-size:16px;margin:0;padding:12px 16px;background:var(--card);border-bottom:1px solid var(--line);display:flex;
gap:8px;align-items:baseline}
h1 small{font-weight:400;color:var(--soft);font-size:13px;margin-left:auto}
.wecom h1,.wecom-app h1{box-shadow:inset 0 3px var(--wecom)}.dingtalk h1{box-shadow:inset 0 3px var(--dingtalk)}
.feishu h1{box-shadow:inset 0 3px var(--feishu)}.mail h1{box-shadow:inset 0 3px var(--mail)}
ol{list-style:none;margin:0;padding:12px 16px;display:flex;flex-direction:column;gap:14px}
.who{font-size:12px;color:var(--soft);margin:0 0 4px}
.who b{color:var(--ink);font-weight:500}
.bubble{background:var(--card);border:1px solid var(--line);border-radius:4px 12px 12px 12px;padding:10px 14px;
overflow-wrap:anywhere}
.bubble p,.bubble blockquote,.bubble h2{margin:0 0 4px}.bubble h2{font-size:15px}
.bubble blockquote{border-left:3px solid var(--line);padding-left:10px;color:var(--soft)}
.bubble a{color:var(--wecom)}.warning{color:var(--warning)}.info{color:var(--info)}.comment{color:var(--soft)}
.empty{color:var(--soft);text-align:center;padding:48px 16px;margin:0}
@media(max-width:720px){main{grid-template-columns:1fr;padding:8px}}
"""


def render(messages: Sequence[Message]) -> str:
    """Return the whole page (zh-CN, self-contained, reloads every 3 s): the newest 200 messages, newest on top."""
    used = {message.bot for message in messages}.union(ALWAYS)
    windows = "".join(_window(bot, name, kind, messages) for bot, name, kind in WINDOWS if bot in used)
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>机器人消息 · Leadtrail 演示</title>'
        f"<style>{STYLE}</style></head><body><main>{windows}</main></body></html>"
    )


def _window(bot: str, name: str, kind: str, messages: Sequence[Message]) -> str:
    own = [message for message in messages if message.bot == bot]
    bubbles = "".join(_bubble(message) for message in reversed(own[-PAGE_MESSAGES:]))
    content = f"<ol>{bubbles}</ol>" if own else '<p class="empty">还没有消息。线索超时后，提醒会出现在这里。</p>'
    return f'<section class="{bot}"><h1>{name}<small>{kind} · 共 {len(own)} 条</small></h1>{content}</section>'


def _bubble(message: Message) -> str:
    at = datetime.fromisoformat(message.at).astimezone(PAGE_ZONE)
    who = f"<b>{html.escape(message.audience)}</b> · {html.escape(message.channel)} · {at:%m-%d %H:%M:%S}"
    return f'<li><p class="who">{who}</p><div class="bubble">{markdown(message.text)}</div></li>'


def markdown(text: str) -> str:
    """Render the robots' small markdown (headings, quotes, bold, links, colours): hostile text in, safe HTML out."""
    return "".join(_line(line) for line in html.escape(text).splitlines() if line.strip())


def _line(line: str) -> str:
    if quoted := re.match(r"&gt;\s?(.*)", line):
        return f"<blockquote>{_inline(quoted[1])}</blockquote>"
    if heading := re.match(r"#{1,6}\s+(.*)", line):
        return f"<h2>{_inline(heading[1])}</h2>"
    if bullet := re.match(r"[-*]\s+(.*)", line):
        return f"<p>• {_inline(bullet[1])}</p>"
    return f"<p>{_inline(line)}</p>"


def _inline(line: str) -> str:
    line = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", line)
    line = re.sub(
        r"&lt;font color=&quot;(warning|info|comment)&quot;&gt;(.*?)&lt;/font&gt;", r'<span class="\1">\2</span>', line
    )
    return re.sub(r"\[([^\[\]]+)\]\((https?://[^\s()]+)\)", r'<a href="\2" rel="noreferrer noopener">\1</a>', line)
