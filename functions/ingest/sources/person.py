"""Who a form or a call speaks of: identities and contact from what people typed."""

from __future__ import annotations

from leadtrail.domain import identity
from leadtrail.domain.delivery import Contact
from leadtrail.domain.identity import Identity

NO_IDENTITY = "没有可识别的联系方式(手机号或邮箱)"


def person(*, name: str = "", phone: str = "", email: str = "") -> tuple[Contact, tuple[Identity, ...], str | None]:
    """Return contact, identities, and why there is no way to reach this person (or None).

    A landline or a 400 number can be called, so that it makes a lead; it identifies nobody.
    """
    number = identity.phone(phone) if phone else None
    address = identity.email(email) if email else None
    identities = []
    if number and number.identifies:
        identities.append(Identity("phone", number.number))
    if address:
        identities.append(Identity("email", address))
    contact = Contact(
        name=name.strip(),
        phones=(number.number if number else phone.strip(),) if phone.strip() else (),
        emails=(address or email.strip(),) if email.strip() else (),
    )
    return contact, tuple(identities), None if number or address else NO_IDENTITY
