"""A source that the console alone adds to the running demo: no code, no deploy, no restart."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from tests.e2e.conftest import Client, Demo, eventually


class Operator:
    """`leadtrail …` in a folder whose `.local` is the demo's."""

    def __init__(self, folder: Path, demo: Demo) -> None:
        self.folder = folder
        (folder / ".local").symlink_to(demo.home)

    def says(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "TABLE_NAME"}
        return subprocess.run(
            [sys.executable, "-m", "console.main", *command],
            cwd=self.folder,
            env={**environment, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )


@pytest.fixture
def operator(tmp_path: Path, demo: Demo) -> Operator:
    return Operator(tmp_path, demo)


def test_a_form_added_by_the_console_alone_brings_its_leads(client: Client, operator: Operator) -> None:
    mapped = ("--field", "name=field_1", "--field", "phone=field_2")
    added = operator.says("source", "add", "huodong", "--provider", "jinshuju", "--team", "huadong", *mapped)
    assert added.returncode == 0, added.stderr
    [address] = [line.split()[1] for line in added.stdout.splitlines() if "/webhooks/huodong/" in line]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {"token": "e2e-1", "field_1": "活动来客", "field_2": "138 1111 0077", "field_3": "想看演示"}
    body = {"form": "hd", "form_name": "活动报名", "entry": {**entry, "created_at": now, "updated_at": now}}

    def posted(url: str) -> requests.Response | None:
        answer = client.http.post(url, json=body, timeout=30)
        return answer if answer.status_code == 200 else None  # a warm function knows new sources within a minute

    first = eventually(lambda: posted(address), seconds=90, every=3)
    again = posted(address)
    forged = client.http.post(f"{address[:-1]}{'A' if address[-1] != 'A' else 'B'}", json=body, timeout=30)

    lead = client.call("wangfang", "GET", f"/leads/{first.json()['id']}").json()
    found = client.call("wangfang", "GET", "/leads", params={"q": "13811110077"}).json()["items"]
    assert first.json()["outcome"] == "created"
    assert again is not None
    assert again.json() == {"id": lead["id"], "outcome": "duplicate"}
    assert forged.status_code == 401
    assert (lead["source"], lead["team"]) == ("huodong", "huadong")
    assert [each["id"] for each in found] == [lead["id"]]


def test_the_consoles_own_trial_is_signed_for_the_address_that_the_function_sees(
    client: Client, operator: Operator
) -> None:
    secret = operator.folder / "auth-token"
    secret.write_text("an-auth-token-of-the-test", "utf-8")
    given = ("--secret-from-file", str(secret))
    added = operator.says("source", "add", "dianhua", "--provider", "twilio", "--team", "huadong", *given)
    assert added.returncode == 0, added.stderr

    tried = operator.says("source", "test", "dianhua")
    listed = operator.says("source", "list")

    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "HTTP 200" in tried.stdout
    assert "结果 created" in tried.stdout or "结果 merged" in tried.stdout
    assert f"{client.stack['api']}/webhooks/dianhua" in listed.stdout
