"""`python -m console.openapi` writes docs/openapi.json, as the API serves it; CI compares the two."""

from __future__ import annotations

import json
from pathlib import Path

from functions.api import description, rest

COMMITTED = Path(__file__).parent.parent / "docs" / "openapi.json"


def text() -> str:
    """Return the document as it is committed: readable, one line a value."""
    return json.dumps(description.document(rest.operations()), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    COMMITTED.write_text(text(), encoding="utf-8")
