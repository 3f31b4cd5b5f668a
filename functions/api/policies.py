"""policies of the people's API."""

from __future__ import annotations

from functions.api.operation import Area

router = Area("policies")
