"""The simulated company of the brief: teams, people, sources, robots and the default policy.

`make demo` fills the local stack with it, and tests of handlers start from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leadtrail.adapters.config import TableConfiguration

OFFICE = {day: [["09:00", "12:00"], ["13:30", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
LEVELS = [{"after": "PT0S", "to": "owner"}, {"after": "PT1H", "to": "manager"}, {"after": "P1D", "to": "director"}]


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who signs in; ``team`` is a team's id, empty for the director and the admin."""

    name: str
    role: str
    rep_id: str
    team: str
    full_name: str
    wecom_userid: str | None = None
    deputy: str | None = None

    @property
    def email(self) -> str:
        """Their address, which no mail ever leaves this machine for."""
        return f"{self.name}@example.com"


USERS = (
    User("zhangsan", "rep", "rep-zhang", "huadong", "张三", "zhangsan", deputy="rep-li"),
    User("lisi", "rep", "rep-li", "huadong", "李四", "lisi"),
    User("zhaoliu", "rep", "rep-zhao", "huanan", "赵六", "zhaoliu"),
    User("wangfang", "manager", "mgr-wang", "huadong", "王芳", "wangfang"),
    User("sunli", "manager", "mgr-sun", "huanan", "孙丽", "sunli"),
    User("chenzong", "director", "dir-chen", "", "陈总", "chenzong"),
    User("admin", "admin", "adm-zhou", "", "周运维", "zhouyunwei"),
)
TEAMS = {"huadong": "华东一组", "huanan": "华南一组"}
DEFAULT_POLICY: dict[str, Any] = {
    "calendar": {"tz": "Asia/Shanghai", "cn": True, "hours": OFFICE},
    "rules": [
        {
            "name": "first_response",
            "starts": "lead.received",
            "meets": ["touch"],
            "measure": "business",
            "budget": "PT2H",
            "warn_at": 0.75,
            "levels": LEVELS,
        },
        {
            "name": "second_touch",
            "starts": "touch.first",
            "meets": ["touch"],
            "measure": "natural",
            "budget": "PT72H",
            "warn_at": 0.75,
            "levels": LEVELS,
        },
        {
            "name": "no_progress",
            "starts": "stage.entered",
            "meets": ["stage"],
            "measure": "working_days",
            "budget": "P5D",
            "warn_at": None,
            "levels": LEVELS,
        },
    ],
}
SOURCES: dict[str, dict[str, Any]] = {
    "wecom": {"provider": "wecom", "team": "huadong", "secret": "source/wecom"},
    "standard": {"provider": "standard", "team": "huadong", "secret": "source/standard"},
    "typeform": {
        "provider": "typeform",
        "team": "huadong",
        "secret": "source/typeform",
        "fields": {"name": "name", "phone": "phone", "email": "email"},
    },
}
CHANNELS: dict[str, dict[str, Any]] = {
    "huadong-group": {"bot": "wecom", "audiences": ["owner", "team"], "team": "huadong", "name": "华东一组群机器人"},
    "huanan-group": {"bot": "wecom", "audiences": ["owner", "team"], "team": "huanan", "name": "华南一组群机器人"},
    "managers": {"bot": "dingtalk", "audiences": ["manager", "director"], "team": None, "name": "主管机器人"},
}
# What the demo has besides: ways to each person, and a group that works in Feishu.
_EVERYBODY = ["owner", "manager", "director"]
MORE_CHANNELS: dict[str, dict[str, Any]] = {
    "app": {"bot": "wecom-app", "audiences": _EVERYBODY, "team": None, "name": "企业微信应用"},
    "mail": {"bot": "mail", "audiences": _EVERYBODY, "team": None, "name": "邮件"},
    "huanan-feishu": {"bot": "feishu", "audiences": ["team"], "team": "huanan", "name": "华南一组飞书机器人"},
}

PIPELINE = {"stages": ["新线索", "需求确认", "方案确认", "商务谈判", "已成交", "已流失"]}


def configure(
    config: TableConfiguration,
    *,
    now: datetime,
    policy: Mapping[str, Any] | None = None,
    more_channels: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write the simulated company; what stands already is left as it is."""
    channels = {**CHANNELS, **(more_channels or {})}
    wanted: list[tuple[str, str, dict[str, Any]]] = [
        ("company", "company", {"name": "搭搭示例公司", "zone": "Asia/Shanghai"})
    ]
    wanted += [("team", team, {"name": name}) for team, name in TEAMS.items()]
    wanted += [("rep", user.rep_id, _rep(user)) for user in USERS]
    wanted += [("source", name, dict(body)) for name, body in SOURCES.items()]
    wanted += [("channel", name, {**body, "secret": f"channel/{name}"}) for name, body in channels.items()]
    wanted.append(("pipeline", "default", PIPELINE))
    wanted.append(("policy", "default", dict(policy or DEFAULT_POLICY)))
    for kind, name, body in wanted:
        if config.configured(kind, name) is None:
            config.put(kind, name, body, now=now)


def _rep(user: User) -> dict[str, Any]:
    body = {"name": user.full_name, "role": user.role, "team": user.team, "wecom_userid": user.wecom_userid}
    return body | {"email": user.email} | ({"deputy": user.deputy} if user.deputy else {})
