"""HubSpot's API of contacts (developers.hubspot.com, CRM API v3): its webhooks carry ids only.

A source's secret holds ``access_token``, the token of a private application that may read contacts.
"""

from __future__ import annotations

import http.client
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from leadtrail.adapters.https import Get, clean, document, fetched
from leadtrail.services.enriching import EnrichedContact, ProviderBusyError, ProviderRefusedError

PROPERTIES = "firstname,lastname,phone,mobilephone,email,company"
REFUSED = {401: "bad-secret", 403: "not-permitted"}


class HubSpot:
    """Asks HubSpot for contacts; ``get`` is given so that tests can play the network."""

    def __init__(self, base: str, secret: Callable[[str], list[dict[str, str]]], get: Get | None = None) -> None:
        self._base = base
        self._secret = secret
        self._get = get or fetched

    def contact(self, secret: str, ref: str, userid: str | None) -> EnrichedContact | None:
        """Return a contact; None: no such contact. Nobody owns it in WeCom, so ``userid`` says nothing.

        Raises:
            ProviderBusyError: HubSpot does not answer now, or our limit is used up.
            ProviderRefusedError: wrong token or missing right.
        """
        url = f"{self._base}/crm/v3/objects/contacts/{quote(ref, safe='')}?properties={PROPERTIES}"
        try:
            status, raw = self._get(url, {"Authorization": f"Bearer {self._token(secret)}"})
        except (OSError, http.client.HTTPException) as error:
            raise ProviderBusyError("unreachable") from error
        if status == 404:
            return None
        if status in REFUSED:
            raise ProviderRefusedError(REFUSED[status])
        said = document(status, raw).get("properties")
        if not isinstance(said, dict):
            raise ProviderBusyError("unexpected-answer")
        return _understood(said)

    def _token(self, secret: str) -> str:
        try:
            values = self._secret(secret)
        except KeyError:
            values = []
        for value in values:
            if token := value.get("access_token"):
                return token
        raise ProviderRefusedError("no-secret")


def _understood(said: Mapping[str, Any]) -> EnrichedContact:
    first, last = clean(said.get("firstname")), clean(said.get("lastname"))
    phones = (clean(said.get(name)) for name in ("mobilephone", "phone"))
    email = clean(said.get("email"))
    return EnrichedContact(
        name=f"{last}{first}" if _is_chinese(first + last) else f"{first} {last}".strip(),
        phones=tuple(dict.fromkeys(number for number in phones if number)),
        emails=(email,) if email else (),
        corp_name=clean(said.get("company")),
    )


def _is_chinese(name: str) -> bool:
    return bool(name) and all(unicodedata.name(letter, "").startswith("CJK UNIFIED") for letter in name)
