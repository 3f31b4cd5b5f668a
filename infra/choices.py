"""What a deployment may choose, read once from the CDK context (`cdk.json`, or `-c name=value`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:  # importing it would start Node.js, for a type
    from constructs import Node

OLDEST_RUNTIME = (3, 12)
"""Python 3.11 on Lambda stands on glibc 2.26, which today's wheels refuse (docs/runbook.md)."""

FLAGS = frozenset({"local", "allow_now", "customer_key"})


@dataclass(frozen=True, slots=True)
class Choices:
    """The context of one deployment; every field is named like its context key.

    Attributes:
        local: deploy into the stand-in on this machine: plain HTTP, nothing protected from deletion, layers for the
            interpreter at hand.
        runtime: Lambda runtime, `python3.12` or later.
        architecture: `x86_64`; the layers are resolved for it.
        company_zone: IANA name of the zone in which the company works and reports are made.
        public_base_url: absolute address of the API without a trailing slash, for links; None means the API's own.
        api_id: fixed id of the API, which the local stand-in honours.
        allow_now: the sweep and the daily report take `{"now": ...}` from their caller (tests; never production).
        jwt_issuer: issuer URL of people's tokens; None creates a Cognito user pool.
        jwt_audience: audience of people's tokens, with `jwt_issuer`.
        alarm_email: where alarms go; None creates the topic without a subscriber.
        model_path: folder of the speech model as the function sees it; None means the model layer.
        customer_key: encrypt table, buckets and secret with a key of this account instead of keys that AWS manages.
        layers: `build` (default), or `none` for a quick look at the template, which must not be deployed.
        egress: `none` (default), or `nat`: what calls WeCom's API leaves by one fixed address, which WeCom can trust.
        wecom_api: where WeCom's API answers, https but for the stand-in on this machine; None means WeCom's own.
        mailer: what may carry mail: `none` (default), `ses`, or `smtp` (AWS in China has no SES).
        mail_identity: with `ses`, the domain or address that SES has verified; nothing else can be a sender.
    """

    local: bool = False
    runtime: str = "python3.13"
    architecture: str = "x86_64"
    company_zone: str = "Asia/Shanghai"
    public_base_url: str | None = None
    api_id: str | None = None
    allow_now: bool = False
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    alarm_email: str | None = None
    model_path: str | None = None
    customer_key: bool = False
    layers: str = "build"
    egress: str = "none"
    wecom_api: str | None = None
    mailer: str = "none"
    mail_identity: str | None = None

    def __post_init__(self) -> None:
        """Refuse choices that would fail only after deployment.

        Raises:
            ValueError: the runtime is too old, the architecture has no wheels, the issuer lacks its audience, SES its
                identity, a value is not one of its kind, or a secret would go over plain HTTP.
        """
        if not self.runtime.startswith("python3.") or self.python < OLDEST_RUNTIME:
            raise ValueError(f"context runtime must be python3.12 or later, not {self.runtime}")
        if self.architecture != "x86_64":  # vosk publishes no other wheel that Lambda could load
            raise ValueError(f"context architecture must be x86_64, not {self.architecture}")
        if (self.jwt_issuer is None) != (self.jwt_audience is None):
            raise ValueError("context jwt_issuer and jwt_audience go together")
        if self.layers not in {"build", "none"}:
            raise ValueError(f"context layers must be build or none, not {self.layers}")
        if self.egress not in {"nat", "none"}:
            raise ValueError(f"context egress must be nat or none, not {self.egress}")
        if self.egress == "nat" and self.local:
            raise ValueError("context egress must be none with local: the stand-in has no addresses to give")
        if self.wecom_api and not self.local and not self.wecom_api.startswith("https://"):
            raise ValueError(f"context wecom_api must begin with https://, not {self.wecom_api}")
        if self.mailer not in {"none", "ses", "smtp"}:
            raise ValueError(f"context mailer must be none, ses or smtp, not {self.mailer}")
        if (self.mailer == "ses") != (self.mail_identity is not None):
            raise ValueError("context mailer=ses and mail_identity go together")

    @property
    def python(self) -> tuple[int, ...]:
        """The runtime's Python version, such as `(3, 13)`."""
        return tuple(int(part) for part in self.runtime.removeprefix("python").split("."))

    @classmethod
    def from_node(cls, node: "Node") -> Self:
        """Read the context that this node of the construct tree sees."""
        return cls.from_mapping({name: node.try_get_context(name) for name in cls.__slots__})

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from raw values; the command line gives text, `cdk.json` may give JSON; empty means not chosen."""
        chosen = {name: value for name, value in values.items() if value not in (None, "")}
        for name in FLAGS & chosen.keys():
            chosen[name] = _flag(name, chosen[name])
        return cls(**chosen)


def _flag(name: str, value: object) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    try:
        return known[str(value).lower()]
    except KeyError:
        raise ValueError(f"context {name} must be true or false, not {value}") from None
