"""GET /me: who the product takes the caller for."""

from __future__ import annotations

from pydantic import BaseModel

from functions.api.operation import Area, Call
from functions.api.reading import Nothing

router = Area("我")


class Me(BaseModel):
    """A person who is signed in; ``team`` is null for directors and admins."""

    id: str
    name: str
    role: str
    team: str | None
    timezone: str


@router.operation("GET", "/me", summary="当前登录的人", answer=Me)
def me(call: Call[Nothing, Nothing]) -> Me:
    """Name, role and team of the caller, and the company's time zone."""
    caller = call.caller
    zone = call.world.config.company().zone
    return Me(id=caller.rep_id, name=caller.name, role=caller.role, team=caller.team or None, timezone=zone)
