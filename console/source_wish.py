"""A source as the operator wants it, checked against the company: who gets its leads, and from where they may come."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.source_guide import GUIDES
from functions.ingest.sources import PROVIDERS
from functions.ingest.sources.generic_cdr import NEEDED
from leadtrail.domain.company import Company
from leadtrail.domain.errors import InvalidInputError

_NAME = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_ROLE = re.compile(r"[a-z][a-z0-9_.]{0,39}", re.ASCII)
_HOST = re.compile(r"\.?[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wish:
    """A source as the operator wants it; ``fields`` are role=field, as they were typed."""

    name: str
    provider: str
    team: str
    fields: tuple[str, ...] = ()
    owner: str | None = None
    allow_ips: tuple[str, ...] = ()
    recording_hosts: tuple[str, ...] = ()


def checked(wish: Wish, company: Company) -> dict[str, Any]:
    """Return the configuration that a wish comes to.

    Raises:
        InvalidInputError: names what is wrong with it.
    """
    if not _NAME.fullmatch(wish.name):
        raise InvalidInputError("name", "只能是1到40个小写字母、数字和连字符")
    if wish.provider not in PROVIDERS:
        raise InvalidInputError("provider", f"只能是 {'、'.join(PROVIDERS)} 之一")
    if wish.team not in company.teams:
        raise InvalidInputError(
            "team", f"没有 {wish.team} 这个小组（现有：{'、'.join(sorted(company.teams)) or '无'}）"
        )
    _check_owner(wish, company)
    fields = _fields(wish.fields)
    if wish.provider == "generic_cdr":
        _check_call_fields(fields)
    hosts = tuple(host.lower() for host in wish.recording_hosts) or GUIDES[wish.provider].hosts
    body: dict[str, Any] = {"provider": wish.provider, "team": wish.team, "secret": f"source/{wish.name}"}
    wanted = {
        "fields": fields,
        "owner": wish.owner,
        "allow_ips": _networks(wish),
        "recording_hosts": _hosts(hosts),
    }
    return body | {key: value for key, value in wanted.items() if value}


def _check_owner(wish: Wish, company: Company) -> None:
    rep = company.reps.get(wish.owner) if wish.owner else None
    if wish.owner and (rep is None or rep.role != "rep" or not rep.active):
        raise InvalidInputError("owner", f"没有 {wish.owner} 这位在职销售")


def _fields(pairs: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        role, separator, field = (part.strip() for part in pair.partition("="))
        if not separator or not field or not _ROLE.fullmatch(role):
            raise InvalidInputError("field", f"需要写作 角色=字段，例如 phone=field_2，而不是 {pair}")
        if role in found:
            raise InvalidInputError("field", f"{role} 出现了两次")
        found[role] = field
    return found


def _check_call_fields(fields: Mapping[str, str]) -> None:
    missing = [role for role in NEEDED if role not in fields]
    if "customer" not in fields:
        missing += [role for role in ("caller", "callee") if role not in fields]
    if missing:
        raise InvalidInputError(
            "field", f"还需要对应这些字段：{'、'.join(missing)}（customer 可代替 caller 和 callee）"
        )


def _networks(wish: Wish) -> list[str]:
    if wish.allow_ips and not GUIDES[wish.provider].is_open:
        raise InvalidInputError("allow-ip", "此来源自带签名，不按网络地址放行")
    for network in wish.allow_ips:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise InvalidInputError("allow-ip", f"{network} 不是有效的网段，例如 203.0.113.0/24") from error
    return list(wish.allow_ips)


def _hosts(hosts: Sequence[str]) -> list[str]:
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise InvalidInputError("recording-host", f"{host} 不是主机名，例如 rec.example.com 或 .example.com")
    return list(hosts)
