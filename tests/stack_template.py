"""The synthesized template, made once per session: what tests assert on and what moto's table is made of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@cache
def template() -> dict[str, Any]:
    """Return the template as `python -m infra.app` writes it."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "infra.app", "--output", folder], cwd=ROOT, check=True, env=dict(os.environ)
        )
        [path] = Path(folder).glob("*.template.json")
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found


def resources(kind: str) -> list[dict[str, Any]]:
    """Return the properties of every resource of one type."""
    return [item.get("Properties", {}) for item in template()["Resources"].values() if item["Type"] == kind]
