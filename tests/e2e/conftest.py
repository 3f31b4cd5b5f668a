"""The deployed stack: `make demo` in a folder and on ports of its own, driven with nothing but its stack.json."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).parent.parent.parent
PORT = 4710
ALWAYS_OPEN = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
LEVELS = [{"after": "PT0S", "to": "owner"}, {"after": "PT1H", "to": "manager"}, {"after": "P1D", "to": "director"}]


def eventually(read: Callable[[], Any], *, seconds: float = 90, every: float = 0.5) -> Any:
    """Return what ``read`` answers as soon as it is true; fails when the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := read():
            return found
        time.sleep(every)
    raise AssertionError(f"not seen within {seconds:.0f} s")


class Demo:
    """`python -m infra.local` as a process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> dict[str, Any]:
        environment = {**os.environ, "PORT": str(PORT), "LEADTRAIL_HOME": str(self.home)}
        with (self.home.parent / "demo.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "infra.local", *arguments], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        return eventually(self._stack, seconds=300)

    def _stack(self) -> dict[str, Any] | None:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError((self.home.parent / "demo.log").read_text("utf-8", "replace")[-4000:])
        file = self.home / "stack.json"
        return json.loads(file.read_text("utf-8")) if file.exists() else None

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


@dataclass
class Client:
    """An outsider: HTTP, and what stands in stack.json."""

    stack: dict[str, Any]

    def __post_init__(self) -> None:
        self.http = requests.Session()
        self.http.trust_env = False  # no proxy of this machine between us and loopback

    def call(self, user: str | None, method: str, path: str, **options: Any) -> requests.Response:
        headers = dict(options.pop("headers", {}))
        if user:
            [found] = [known for known in self.stack["users"] if known["name"] == user]
            headers["authorization"] = f"Bearer {found['token']}"
        return self.http.request(
            method, self.stack["api"] + path, headers=headers, timeout=60, allow_redirects=False, **options
        )

    def inbox(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get(self.stack["robots"]["inbox"], timeout=10).json()
        return found


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    made = Demo(tmp_path_factory.mktemp("leadtrail") / "local")
    made.start("--fresh")
    yield made
    made.stop()


@pytest.fixture
def client(demo: Demo) -> Client:
    return Client(json.loads((demo.home / "stack.json").read_text("utf-8")))
