"""Who is calling: the claims that the HTTP API's authorizer has verified, read into a Caller.

Only what the gateway checked is believed: claims come from the request context, never from a header.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leadtrail.domain.company import Company
from leadtrail.domain.errors import UnauthenticatedError
from leadtrail.services import people
from leadtrail.services.people import Caller


def caller(event: Mapping[str, Any], company: Company) -> Caller:
    """Return who is calling.

    Raises:
        UnauthenticatedError: the gateway verified no token.
        ForbiddenError: a token of somebody who is not, or no longer, configured.
    """
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    claims = (authorizer.get("jwt") or {}).get("claims")
    if not isinstance(claims, Mapping) or not claims:
        raise UnauthenticatedError
    return people.caller(claims, company)
