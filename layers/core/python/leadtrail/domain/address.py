"""Which addresses on the internet may be called, when somebody else says where to call.

A URL from outside may name our own network in a hundred spellings. Nothing is recognised as bad here: a host is
called only if it is a plain name that the source lists, and an IP address only if it lies where the internet is.
What translates or tunnels to another address (NAT64, 6to4, Teredo, IPv4 within IPv6) is refused whole.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

HTTPS = 443
LONGEST = 4096  # characters of a URL

Refusal = Literal[
    "url-malformed",
    "not-https",
    "user-info",
    "port-not-allowed",
    "host-not-allowed",
    "address-not-public",
    "too-many-redirects",
    "forbidden",
    "gone",
    "refused-by-host",
    "too-large",
    "empty",
    "not-audio",
    "erased",
]

REFUSALS: Mapping[Refusal, str] = {
    "url-malformed": "录音地址的格式不正确。",
    "not-https": "录音地址不是 https 地址。",
    "user-info": "录音地址里带有用户名或密码。",
    "port-not-allowed": "录音地址使用了不允许的端口。",
    "host-not-allowed": "录音地址的域名不在该来源允许的范围内。",
    "address-not-public": "录音地址指向内部网络，已拒绝访问。",
    "too-many-redirects": "录音地址跳转次数过多。",
    "forbidden": "对方拒绝提供这段录音。",
    "gone": "对方已没有这段录音。",
    "refused-by-host": "对方没有给出录音文件。",
    "too-large": "录音文件超过 100 MB 的上限。",
    "empty": "录音文件是空的。",
    "not-audio": "对方给出的不是音频文件。",
    "erased": "该客户的个人信息已删除，不再获取录音。",
}

_URL = re.compile(r"(?P<scheme>[^:/?#]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?:#.*)?")
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KEPT = "/?&=%:@!$'()*+,;~-._[]"  # of a path and its query; all else is percent-encoded
_SPECIAL_4 = tuple(
    ipaddress.IPv4Network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/3")  # protocols, 6to4 relays, multicast and above
)
_INTERNET_6 = ipaddress.IPv6Network("2000::/3")  # all that was ever given out; NAT64 and mapped IPv4 lie outside
_SPECIAL_6 = tuple(
    ipaddress.IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")  # Teredo and others, 6to4, documents
)


class FetchRefusedError(Exception):
    """What is offered is not fetched, now or later; ``reason`` is a key of ``REFUSALS``."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason: Refusal = reason


@dataclass(frozen=True, slots=True)
class Target:
    """Where one request goes: a name in lower case, a port, and path with query as they stand in the request."""

    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The same as a URL, against which a redirect is read."""
        return f"https://{self.host}:{self.port}{self.path}"


def target(url: str, *, hosts: Iterable[str], port: int = HTTPS) -> Target:
    """Return where a URL leads, if it may be called.

    Args:
        url: of any content, as somebody else wrote it.
        hosts: the names that may be called; ``.example.com`` stands for every host below it. None: nothing may be.
        port: the only one that may be called.

    Raises:
        FetchRefusedError: malformed, not https, with user info, another port, or a host that is not listed.
    """
    found = _URL.fullmatch(url) if len(url) <= LONGEST and not _CONTROL.search(url) else None
    if found is None:
        raise FetchRefusedError("url-malformed")
    if found["scheme"].lower() != "https":
        raise FetchRefusedError("not-https")
    if "@" in found["authority"]:
        raise FetchRefusedError("user-info")
    name, _, given = found["authority"].partition(":")
    host = name.lower()
    if not name.isascii() or not _is_listed(host, hosts):
        raise FetchRefusedError("host-not-allowed")
    if (given or str(HTTPS)) != str(port):
        raise FetchRefusedError("port-not-allowed")
    return Target(host, port, _quoted((found["path"] or "/") + (found["query"] or "")))


def is_public(address: str) -> bool:
    """Tell whether an IP address, as a resolver writes it, is one of the internet; any other text is not."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return found.is_global and not any(found in network for network in _SPECIAL_4)
    is_internet = found.scope_id is None and found in _INTERNET_6
    return is_internet and not any(found in network for network in _SPECIAL_6)


def _is_listed(host: str, hosts: Iterable[str]) -> bool:
    """Tell whether a host is a plain name, and listed; what reads as a number, in any base, never is."""
    if len(host) > 253 or not _NAME.fullmatch(host):
        return False
    return any(host == known or (known.startswith(".") and host.endswith(known)) for known in map(str.lower, hosts))


def _quoted(path: str) -> str:
    try:
        return quote(path, safe=_KEPT)
    except UnicodeEncodeError as error:  # half a surrogate pair
        raise FetchRefusedError("url-malformed") from error
