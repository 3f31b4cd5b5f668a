"""The demo's content: the simulated company with its channels, policies and secrets; its leads are `demo_scenes`."""

from __future__ import annotations

import base64
import json
import secrets
import string
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from console import demo_scenes
from console.company import DEFAULT_POLICY, MORE_CHANNELS, USERS, configure
from console.connection import LocalWorld
from infra.chat_provider import Robot
from infra.mail_server import Mailbox
from infra.wecom_app import App

__all__ = ["ROBOTS", "USERS", "fill", "pages"]

ROBOTS: tuple[Robot | App | Mailbox, ...] = (
    Robot("huadong-group", "wecom", "华东一组(销售群)", "huadong-group-key"),
    Robot("huanan-group", "wecom", "华南一组(销售群)", "huanan-group-key"),
    Robot("managers", "dingtalk", "主管与总监", "managers-token", "SECmanagers-of-the-demo"),
    Robot("huanan-feishu", "feishu", "华南一组(飞书群)", "huanan-feishu-key", "feishu-secret-of-the-demo"),
    App(
        "app",
        "ww00000000000demo1",
        1000002,
        "app-secret-of-the-demo",
        {user.wecom_userid: user.full_name for user in USERS if user.wecom_userid},
    ),
    Mailbox("mail", {user.email: user.full_name for user in USERS}),
)
ALWAYS_OPEN = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
# The southern team answers around the clock, so that the demo shows its messages at any hour of the day.
HUANAN_POLICY: dict[str, Any] = {
    "when": {"team": "huanan"},
    "calendar": {"tz": "Asia/Shanghai", "hours": ALWAYS_OPEN},
    "rules": DEFAULT_POLICY["rules"],
}
# Whoever came by the fair's list is answered within the hour; the group hears of it, all of them in one message.
FAIR_POLICY: dict[str, Any] = {
    "when": {"source": "fair"},
    "order": 10,
    "calendar": {"tz": "Asia/Shanghai", "hours": ALWAYS_OPEN},
    "rules": [
        {
            "name": "fair_response",
            "title": "展会名单响应",
            "starts": "lead.received",
            "meets": ["touch"],
            "measure": "business",
            "budget": "PT1H",
            "warn_at": None,
            "levels": [
                {"after": "PT0S", "to": "team"},
                {"after": "PT8H", "to": "manager"},
                {"after": "P2D", "to": "pool"},
            ],
        }
    ],
}
MORE: dict[str, dict[str, dict[str, Any]]] = {
    "policy": {"huanan": HUANAN_POLICY, "fair": FAIR_POLICY},
    "source": {
        name: {"provider": "standard", "team": "huanan", "secret": "source/huanan"} for name in ("huanan", "fair")
    },
}


def fill(stack: Mapping[str, Any], outputs: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
    """Seed configuration, secrets and leads, once however often it is called; return `sources` of stack.json."""
    del outputs  # all that is needed stands in the stack
    world = LocalWorld(stack)
    configure(world.config, now=world.now(), more_channels=MORE_CHANNELS)
    for kind, things in MORE.items():
        for name, body in things.items():
            if world.config.configured(kind, name) is None:
                world.config.put(kind, name, body, now=world.now())
    manager = world.client("secretsmanager")
    for played in ROBOTS:
        _keep(manager, f"leadtrail/channel/{played.channel}", _secret(played, stack["robots"]), renew=True)
    sources = _sources(stack, manager)
    if not any(world.store.items("TEAM#huadong", index="GSI3", limit=1)):
        demo_scenes.play(world, stack, sources)
    return sources


def _secret(played: Robot | App | Mailbox, robots: Mapping[str, Any]) -> dict[str, str]:
    """Return what a channel's secret holds, with the addresses of this start."""
    match played:
        case App():
            return {"corp_id": played.corp_id, "agent_id": str(played.agent_id), "secret": played.secret}
        case Mailbox():
            return {"from": "leadtrail@example.com", "host": "127.0.0.1", "port": str(robots["smtp_port"])}
    return {"url": played.url(robots["base"])} | ({"secret": played.secret} if played.secret else {})


def _sources(stack: Mapping[str, Any], manager: Any) -> dict[str, dict[str, str]]:
    """Return each source's address with its secrets, which are drawn at the first start and kept."""
    wecom = _keep(
        manager,
        "leadtrail/source/wecom",
        {
            "token": _letters(24),
            "encoding_aes_key": _aes_key(),
            "corp_id": "ww" + secrets.token_hex(8),
            "contact_secret": secrets.token_urlsafe(32),
        },
    )
    standard = _keep(manager, "leadtrail/source/standard", {"secret": _whsec()})
    huanan = _keep(manager, "leadtrail/source/huanan", {"secret": _whsec()})
    typeform = _keep(manager, "leadtrail/source/typeform", {"secret": _letters(32)})
    named = {"wecom": wecom, "standard": standard, "typeform": typeform, "huanan": huanan}
    return {name: {"url": f"{stack['api']}/webhooks/{name}", **value} for name, value in named.items()}


def _keep(manager: Any, name: str, value: dict[str, str], *, renew: bool = False) -> dict[str, str]:
    """Create a secret, or return what it already is; ``renew`` overwrites it."""
    text = json.dumps({"valid": [value]})
    try:
        manager.create_secret(Name=name, SecretString=text)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceExistsException":
            raise
        if not renew:
            known: dict[str, str] = json.loads(manager.get_secret_value(SecretId=name)["SecretString"])["valid"][0]
            return known
        manager.put_secret_value(SecretId=name, SecretString=text)
    return value


def _letters(count: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(count))


def _aes_key() -> str:
    """Return 43 letters that decode to 32 bytes, as WeCom's console draws them."""
    return base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def _whsec() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def pages(stack: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Return what to look at first: the pages that explain a lead's clocks, by what each is an example of."""
    return demo_scenes.pages(LocalWorld(stack), stack)
