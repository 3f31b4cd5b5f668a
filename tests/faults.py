"""Faults of AWS for tests, played by botocore hooks: a worker that dies at a call, and weather in which calls fail.

Both hang on a boto3 session: every client that is made of it afterwards meets them. moto undoes a failed transaction
by putting the whole table back, with what others wrote meanwhile: under weather its calls stand in a line.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

import boto3
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from moto.core.models import botocore_stubber

NOT_REACHED, LOST, THROTTLED, CONFLICT = "not reached", "answer lost", "throttled", "conflict"
Forward: TypeAlias = Callable[[Any], Any]  # takes a signed request to whoever plays AWS


class WorkerDiedError(BaseException):
    """The process is gone between two calls to AWS: nothing in the product may catch it."""


class CallFailedError(Exception):
    """A call to AWS failed before or after it took effect, and the worker heard of it."""


class Fate:
    """Writes down the calls to AWS of the work that it watches, and lets it die before or after one of them.

    ``events`` are those of a session, for the clients that are made of it from then on, or of clients that exist.
    """

    def __init__(self, *events: Any, dies_of: type[BaseException] = WorkerDiedError) -> None:
        self.calls: list[str] = []
        self._dies_of = dies_of
        self._dies_at: tuple[int, str] | None = None
        self._watches = False
        for each in events:
            each.register_first("before-call", self._before)
            each.register_last("after-call", self._after)

    def spares(self, work: Callable[[], object], dies_at: tuple[int, str] | None = None) -> bool:
        """Do the work, which dies at its call of that number ("before" or "after" it); tell whether it lived."""
        self.calls, self._dies_at, self._watches = [], dies_at, True
        try:
            work()
        except WorkerDiedError:
            return False
        finally:
            self._watches = False
        return True

    def _before(self, model: Any, **_: Any) -> None:
        if self._watches:
            self.calls.append(model.name)
            self._maybe("before")

    def _after(self, **_: Any) -> None:
        if self._watches:
            self._maybe("after")

    def _maybe(self, when: str) -> None:
        if self._dies_at == (len(self.calls), when):
            raise self._dies_of


@dataclass(frozen=True, slots=True)
class Rates:
    """Which share of the calls fails how: conflicts are of transactions only."""

    not_reached: float = 0.02
    lost: float = 0.03
    throttled: float = 0.05
    conflicts: float = 0.02


def moto_in_line() -> Forward:
    """Return the way to moto for several threads: one call at a time."""
    line = threading.Lock()

    def forward(request: Any) -> Any:
        with line:
            return botocore_stubber("before-send", request)

    return forward


def by_http() -> Forward:
    """Return the way to a stand-in that listens."""
    at_once = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each call waits 40 ms for the other side's word
    http = URLLib3Session(max_pool_connections=32, socket_options=[at_once])
    return http.send  # type: ignore[no-any-return]


class Weather:
    """Lets calls fail in the share that ``rates`` says, the same ones whenever the same turns are taken.

    Of the requests that do not arrive, and of the lost answers, half are sent again by the SDK itself; of the others
    it has given up, so that the caller hears of it. Outside of a turn nothing fails.
    """

    def __init__(self, session: Any, forward: Forward, *, seed: int, rates: Rates | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.calls = 0
        self._forward, self._seed, self._rates = forward, seed, rates or Rates()
        self._local = threading.local()
        self._counting = threading.Lock()
        session.events.unregister("before-send", botocore_stubber)
        session.events.register_first("before-call", self._before_call)
        session.events.register("before-send", self._before_send)
        session.events.register_last("after-call", self._after_call)

    @contextmanager
    def turn(self, name: str, meeting: threading.Barrier | None = None) -> Iterator[None]:
        """Let calls of this thread fail as the seed and the name of the turn say.

        Before its first transaction it waits for those that it is to meet: all have read before one of them writes.
        """
        self._local.random, self._local.meeting = Random(f"{self._seed}/{name}"), meeting
        try:
            yield
        finally:
            self._local.random = None

    def _before_call(self, model: Any, **_: Any) -> tuple[Any, dict[str, Any]] | None:
        if model.name == "TransactWriteItems":
            self._meet()
        kind, lasting = self._drawn(model.name)
        self._local.once, self._local.lost = (None, False) if lasting else (kind, False)
        if kind in (THROTTLED, CONFLICT):
            return _refused(kind, model.name, in_transaction=lasting)
        if lasting and kind == NOT_REACHED:
            raise ConnectTimeoutError(endpoint_url="https://aws.example")
        self._local.lost = lasting and kind == LOST
        return None

    def _before_send(self, request: Any, **_: Any) -> Any:
        kind, self._local.once = getattr(self._local, "once", None), None
        if kind == NOT_REACHED:
            raise ConnectionClosedError(endpoint_url=request.url)
        answer = self._forward(request)
        if kind == LOST:
            raise ReadTimeoutError(endpoint_url=request.url)
        return answer

    def _after_call(self, **_: Any) -> None:
        if getattr(self._local, "lost", False):
            self._local.lost = False
            raise ReadTimeoutError(endpoint_url="https://aws.example")

    def _meet(self) -> None:
        meeting, self._local.meeting = getattr(self._local, "meeting", None), None
        if meeting is not None:
            with suppress(threading.BrokenBarrierError):  # one of them found nothing to write, or failed before
                meeting.wait()

    def _drawn(self, operation: str) -> tuple[str | None, bool]:
        random = getattr(self._local, "random", None)
        if random is None:
            return None, False
        drawn, lasting = random.random(), random.random() < 0.5
        kind = self._kind(drawn, operation)
        with self._counting:
            self.calls += 1
            self.counts[kind or "well"] += 1
        return kind, lasting

    def _kind(self, drawn: float, operation: str) -> str | None:
        rates = self._rates
        conflicts = rates.conflicts if operation == "TransactWriteItems" else 0.0
        shares = ((NOT_REACHED, rates.not_reached), (LOST, rates.lost), (THROTTLED, rates.throttled))
        for kind, share in (*shares, (CONFLICT, conflicts)):
            if drawn < share:
                return kind
            drawn -= share
        return None


def _refused(kind: str, operation: str, *, in_transaction: bool) -> tuple[Any, dict[str, Any]]:
    """Return a refusal as botocore hands it on: a throttled transaction is cancelled, or refused as a whole."""
    code, reasons = "ThrottlingException", []
    if kind == CONFLICT or (operation == "TransactWriteItems" and in_transaction):
        reason = "TransactionConflict" if kind == CONFLICT else "ThrottlingError"
        code, reasons = "TransactionCanceledException", [{"Code": "None"}, {"Code": reason}]
    error = {"Code": code, "Message": f"played by the tests: {kind}"}
    parsed = {"Error": error, "CancellationReasons": reasons, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return AWSResponse("https://aws.example", 400, {}, None), parsed


def fresh_session() -> Any:
    """Make boto3's default session anew and return it: what hangs on it meets no client that stands already."""
    boto3.setup_default_session()
    return boto3.DEFAULT_SESSION
