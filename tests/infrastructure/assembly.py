"""A synthesized assembly as tests look at it: resources by type, functions by logical name, assets by layer."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = (
    "webhook", "sweep", "dispatch", "recording", "daily", "link", "rest", "replay", "fetch", "enrich", "recount",
)  # fmt: skip
QUEUES = ("uploaded", "deliveries", "fetches", "enrichments")

Properties = dict[str, Any]


@dataclass(frozen=True)
class Assembly:
    """The folder that `python -m infra.app` wrote; ``code`` is its exit code, ``said`` its output."""

    folder: Path
    code: int
    said: str

    @cached_property
    def template(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "Leadtrail.template.json").read_text())
        return loaded

    def resources(self, kind: str) -> dict[str, Properties]:
        """Properties by logical id of all resources of a type such as `AWS::SQS::Queue`."""
        found = self.template["Resources"].items()
        return {name: one.get("Properties", {}) for name, one in found if one["Type"] == kind}

    def resource(self, kind: str, prefix: str) -> Properties:
        """Properties of the one resource of a type whose logical id begins with `prefix`."""
        [found] = [value for name, value in self.resources(kind).items() if name.startswith(prefix)]
        return found

    def function(self, name: str) -> Properties:
        return self.resource("AWS::Lambda::Function", f"{name.title()}Function")

    def statements(self, name: str) -> list[Properties]:
        """What the policies of a function's role allow."""
        policy = self.resource("AWS::IAM::Policy", f"{name.title()}RoleDefaultPolicy")
        found: list[Properties] = policy["PolicyDocument"]["Statement"]
        return found

    def code_of(self, name: str) -> Path:
        return self._asset(self.function(name)["Code"])

    def layers_of(self, name: str) -> list[Path]:
        versions = self.resources("AWS::Lambda::LayerVersion")
        return [self._asset(versions[layer["Ref"]]["Content"]) for layer in self.function(name)["Layers"]]

    def layer_folders(self) -> list[Path]:
        return [self._asset(one["Content"]) for one in self.resources("AWS::Lambda::LayerVersion").values()]

    def _asset(self, place: Properties) -> Path:
        return self.folder / f"asset.{place['S3Key'].removesuffix('.zip')}"


def synthesize(folder: Path, *arguments: str) -> Assembly:
    """Run the very command of `make synth` in a process of its own, since it starts Node.js."""
    command = [sys.executable, "-m", "infra.app", "--output", str(folder), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return Assembly(folder, done.returncode, done.stdout + done.stderr)


def pairs(value: Any) -> list[Any]:
    """A value that CloudFormation allows alone or in a list, as a list."""
    return value if isinstance(value, list) else [value]


def texts(value: Any) -> list[str]:
    """All texts within a JSON value, however deep."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for one in inner for text in texts(one)]


def referred(value: Any) -> str:
    """The logical id that an intrinsic function refers to."""
    target = value.get("Ref") or value["Fn::GetAtt"]
    return target if isinstance(target, str) else target[0]


def kind_of(alarm_name: str) -> str:
    """The kind of an alarm named `Leadtrail-<kind>[-<subject>]`: its runbook heading."""
    name = alarm_name.removeprefix("Leadtrail-")
    with_subject = r"errors|throttles|slow|dead-letters|robot-refused|robot-unconfirmed|enrichment-refused|table-\w+"
    return re.sub(rf"^({with_subject})-[\w-]+$", r"\1", name)
