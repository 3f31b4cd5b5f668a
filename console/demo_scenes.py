"""The demo's leads: what came in today and earlier, who is late with it, and the morning report.

Today's leads come in over HTTP, signed as any provider signs. Earlier ones are taken by the same intake, at their own
time, so that there is something to be late with; the deployed sweep and dispatch then do what they always do. Of the
southern team, one lead each is warned of, late, escalated, corrected, paused and reopened.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from console.connection import LocalWorld
from leadtrail.domain.delivery import CallRecord, Contact, Delivery
from leadtrail.domain.identity import Identity
from leadtrail.domain.pausing import Wish
from leadtrail.services import intake, links, steering
from leadtrail.services.people import Caller
from leadtrail.services.ports import RawBody
from leadtrail.services.steering import Order

TODAY = (
    ("王建国", "13800138001", {"需求": "采购200套门店收银系统", "来源页": "官网首页"}),
    ("刘敏", "13912345602", {"需求": "了解教育行业数据安全方案"}),
    ("陈志强", "13700137003", {"需求": "制造业排产系统，三月上线"}),
    ("杨丽华", "15800158004", {"需求": "希望先看演示"}),
    ("周杰", "18600186005", {"需求": "价格与竞品对比"}),
    ("吴秀英", "13600136006", {"需求": "连锁门店会员管理"}),
)
# Name, number, hours ago, whether the rep called back within the hour.
EARLIER = (
    ("郑浩然", "13500135007", 30, False),
    ("冯雪", "15000150008", 9, False),
    ("褚一鸣", "13400134009", 4, False),
    ("沈清", "18900189011", 2.5, False),
    ("卫兰", "17700177010", 26, True),
    ("蒋南", "13300133012", 1.7, False),  # warned of
)
CORRECTED = ("韩松", "15100151013", 5)
PAUSED = ("杨帆", "15200152014", 1)
REOPENED = ("朱琳", "15300153015", 28)
FAIR = ("秦川", "许诺", "何苗", "吕晨", "施远", "张弛", "孔一", "曹安")
REP = Caller("rep-zhao", "赵六", "rep", "huanan")
EXAMPLES = (
    ("即将超时", "13300133012"),
    ("已超时", "18900189011"),
    ("已升级至总监", "13500135007"),
    ("更正", CORRECTED[1]),
    ("暂停中", PAUSED[1]),
    ("重新打开", REOPENED[1]),
)
READER = "mgr-sun"  # whose the links to the examples are
PATIENCE_S = 30


def play(world: LocalWorld, stack: Mapping[str, Any], sources: Mapping[str, Mapping[str, str]]) -> None:
    """Fill in the leads, sweep once, correct what was told too soon, and make the late team's report."""
    now = world.now()
    for name, phone, hours, answered in EARLIER:
        _arrive(world, name, phone, now - timedelta(hours=hours))
        if answered:
            _call_back(world, phone, now - timedelta(hours=hours) + timedelta(minutes=40))
    _pause(world, now)
    _reopen(world, now)
    corrected = _arrive(world, *CORRECTED[:2], now - timedelta(hours=CORRECTED[2]))
    _today(sources["standard"])
    for number, name in enumerate(FAIR):
        _arrive(world, name, f"1540015402{number}", now - timedelta(minutes=70 + number), source="fair")
    _invoke(stack, world, "sweep", {})
    _wait_until_told(world, corrected)
    _late_truth(sources["huanan"], now - timedelta(hours=CORRECTED[2]) + timedelta(minutes=25))
    day = now.astimezone(ZoneInfo(world.settings.zone)).date()
    _invoke(stack, world, "daily", {"team": "huanan", "day": f"{day}"})


def pages(world: LocalWorld, stack: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Return the examples, each with a fresh link to its page; those that are gone are left out."""
    found = [(title, world.store.identified(Identity("phone", f"+86{phone}"))) for title, phone in EXAMPLES]
    known = [(title, f"lead:{row.lead_id}") for title, row in found if row is not None]
    made = links.make(
        [target for _, target in known],
        recipient=f"rep:{READER}",
        reports=world.reports,
        public_base_url=stack["api"],
        now=world.now(),
    )
    return [(title, link) for (title, _), link in zip(known, made, strict=True)]


def _today(source: Mapping[str, str]) -> None:
    for name, phone, fields in TODAY:
        data = {"name": name, "phone": phone, "fields": fields}
        post_signed(source, {"type": "lead.created", "timestamp": datetime.now(UTC).isoformat(), "data": data})


def _late_truth(source: Mapping[str, str], called_at: datetime) -> None:
    """A phone that was offline hands in a call which had answered the lead in time."""
    call = {"phone": CORRECTED[1], "direction": "out", "started_at": called_at.isoformat(), "talk_s": 95}
    data = call | {"agent": REP.rep_id}
    post_signed(source, {"type": "call.completed", "timestamp": datetime.now(UTC).isoformat(), "data": data})


def post_signed(source: Mapping[str, str], said: Mapping[str, Any]) -> dict[str, Any]:
    """POST an event to a Standard Webhooks source of the demo, signed, and return its answer."""
    body = json.dumps(said, ensure_ascii=False).encode()
    message_id, timestamp = f"msg_{secrets.token_hex(10)}", str(int(datetime.now(UTC).timestamp()))
    key = base64.b64decode(source["secret"].removeprefix("whsec_"))
    signature = base64.b64encode(hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest())
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature.decode()}",
    }
    request = urllib.request.Request(source["url"], body, headers)  # noqa: S310 - the demo's own address
    with _direct().open(request, timeout=30) as answer:
        answered: dict[str, Any] = json.load(answer)
        return answered


def _direct() -> urllib.request.OpenerDirector:
    """Return an opener that no proxy of this machine comes between."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _arrive(world: LocalWorld, name: str, phone: str, at: datetime, *, source: str = "huanan") -> str:
    """Take a lead at its own time, and return its id."""
    identity = (Identity("phone", f"+86{phone}"),)
    contact = Contact(name=name, phones=(f"+86{phone}",))
    return _take(world, Delivery(source, f"demo-{phone}", "lead", None, True, identity, contact), at)


def _call_back(world: LocalWorld, phone: str, at: datetime) -> None:
    call = CallRecord("out", at, 186, REP.rep_id)
    identity = (Identity("phone", f"+86{phone}"),)
    _take(world, Delivery("huanan", f"demo-call-{phone}", "call", at, True, identity, call=call), at)


def _take(world: LocalWorld, delivery: Delivery, at: datetime) -> str:
    body = f"demo {delivery.key}".encode()
    taken = intake.receive(
        delivery,
        RawBody(body, {}, hashlib.sha256(body).hexdigest()),
        store=world.store,
        config=world.config,
        new_person=world.new_person,
        attempt=f"demo {delivery.key}",
        now=lambda: at,
    )
    if taken.lead_id is None:
        raise RuntimeError(f"{delivery.key} made no lead: {taken.outcome}")
    return taken.lead_id


def _pause(world: LocalWorld, now: datetime) -> None:
    name, phone, hours = PAUSED
    lead_id = _arrive(world, name, phone, now - timedelta(hours=hours))
    order = Order(lead_id, "客户在出差，约明天下午再谈", REP, None, now - timedelta(minutes=30))
    wish = Wish(now + timedelta(hours=20), "customer-asked")
    steering.pause(order, wish, store=world.store, config=world.config)


def _reopen(world: LocalWorld, now: datetime) -> None:
    name, phone, hours = REOPENED
    lead_id = _arrive(world, name, phone, now - timedelta(hours=hours))
    _call_back(world, phone, now - timedelta(hours=hours) + timedelta(minutes=20))
    closed = Order(lead_id, "客户今年没有预算", REP, None, now - timedelta(hours=20))
    steering.close(closed, "lost", store=world.store, config=world.config)
    reopened = Order(lead_id, "客户追加了预算，重新洽谈", REP, None, now - timedelta(hours=1))
    steering.reopen(reopened, store=world.store, config=world.config)


def _wait_until_told(world: LocalWorld, lead_id: str) -> None:
    """Wait for dispatch, since only what was said can be taken back; a slow machine shows no correction."""
    for _ in range(PATIENCE_S * 2):
        if world.store.tellings(lead_id):
            return
        time.sleep(0.5)


def _invoke(stack: Mapping[str, Any], world: LocalWorld, name: str, event: Mapping[str, Any]) -> None:
    """Run a deployed function as its schedule would."""
    function = stack["functions"][name]
    answer = world.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
    if "FunctionError" in answer:
        raise RuntimeError(f"{name}: {answer['Payload'].read().decode(errors='replace')}")
