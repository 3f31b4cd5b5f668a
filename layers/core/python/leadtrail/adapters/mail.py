"""Mail, the last resort: Amazon SES, or any SMTP server (AWS in China has no SES).

A channel's secret is ``{"from"}`` for SES, ``{"from", "host", "port", "user"?, "password"?}`` for SMTP. SMTP goes over
TLS (465 at once, else STARTTLS), but to this very machine. Each message is tried once: neither boto3 nor we repeat it.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from leadtrail.adapters.mail_text import html_of
from leadtrail.adapters.posting import LOOPBACK, TIMEOUT_S
from leadtrail.adapters.robot_text import readable
from leadtrail.adapters.verdict import MINUTE
from leadtrail.domain.company import Rep
from leadtrail.services.dispatching import Answer, Failed, Limited, Sent, Unanswered

_ADDRESS = re.compile(r"[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+", re.ASCII)
TLS_PORT = 465
# No TLS offered, a wrong password, a port that is none, a certificate of somebody else.
MENDED_BY_PEOPLE = (smtplib.SMTPNotSupportedError, smtplib.SMTPAuthenticationError, ValueError)
SUBJECT = 120  # letters
TOO_FAST = ("TooManyRequestsException", "Throttling", "ThrottlingException", "LimitExceededException")
PERMANENT = (
    "MessageRejected", "MailFromDomainNotVerifiedException", "AccountSuspendedException", "SendingPausedException",
    "BadRequestException", "NotFoundException", "AccessDeniedException",
)  # fmt: skip


def is_address(text: str) -> bool:
    """Return whether a text is one plain mail address, and nothing that a header could be made of."""
    return _ADDRESS.fullmatch(text) is not None


class Mail:
    """Sends mail; ``client`` makes SES's client, ``smtp`` opens a connection, both only when used."""

    def __init__(self, client: Callable[[], Any], smtp: Callable[[str, int], smtplib.SMTP] | None = None) -> None:
        self._client = client
        self._smtp = smtp or _connected

    @cached_property
    def _ses(self) -> Any:
        return self._client()

    def send(self, secret: Mapping[str, str], to: Rep | None, markdown: str, title: str) -> Answer:
        """Send one mail to one person."""
        if not is_address(secret.get("from", "")):
            return Failed("a secret without from", permanent=True)
        if to is None or not is_address(to.email or ""):
            return Failed("nobody with a mail address", permanent=True)
        subject = " ".join(title.split())[:SUBJECT]
        if secret.get("host"):
            return self._by_smtp(secret, to.email or "", _message(secret["from"], to.email or "", subject, markdown))
        return self._by_ses(secret["from"], to.email or "", subject, markdown)

    def _by_ses(self, sender: str, to: str, subject: str, markdown: str) -> Answer:
        content = {"Text": _part(readable(markdown)), "Html": _part(html_of(markdown))}
        try:
            self._ses.send_email(
                FromEmailAddress=sender,
                Destination={"ToAddresses": [to]},
                Content={"Simple": {"Subject": _part(subject), "Body": content}},
            )
        except ClientError as error:
            return _refused(error.response["Error"]["Code"])
        except HTTPClientError as error:  # it was reached: no answer in time, or half of one
            return Unanswered(type(error).__name__)
        except BotoCoreError as error:  # it was not: no connection, no credentials
            return Failed(type(error).__name__)
        return Sent()

    def _by_smtp(self, secret: Mapping[str, str], to: str, message: EmailMessage) -> Answer:
        try:
            server = self._smtp(secret["host"], int(secret.get("port") or TLS_PORT))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return _missed(error)
        try:
            refusal = _introduced(server, secret, to)
            return refusal or _handed_over(server, message)
        except (OSError, smtplib.SMTPException) as error:  # nothing of the message was written yet
            return _missed(error)
        finally:
            # The server said what became of the message; how it takes our farewell changes nothing.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.quit()


def _connected(host: str, port: int) -> smtplib.SMTP:
    """Open a connection that nobody between can read."""
    context = ssl.create_default_context()
    if port == TLS_PORT:
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
    server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    if host != LOOPBACK:
        try:
            server.starttls(context=context)
        except (OSError, smtplib.SMTPException):
            server.close()
            raise
    return server


def _introduced(server: smtplib.SMTP, secret: Mapping[str, str], to: str) -> Answer | None:
    """Sign in and name both ends; return the refusal, None where the message may follow."""
    server.ehlo_or_helo_if_needed()
    if secret.get("user"):
        server.login(secret["user"], secret.get("password", ""))
    for code, _ in (server.mail(secret["from"]), server.rcpt(to)):
        if code >= 400:
            return _status(code)
    return None


def _handed_over(server: smtplib.SMTP, message: EmailMessage) -> Answer:
    try:
        code, _ = server.data(message.as_bytes(policy=message.policy.clone(linesep="\r\n")))
    except smtplib.SMTPDataError as error:  # it did not want to hear the message
        return _status(error.smtp_code)
    except (OSError, smtplib.SMTPException) as error:
        return Unanswered(type(error).__name__)
    return Sent() if code < 400 else _status(code)


def _missed(error: Exception) -> Failed:
    """Nothing of the message was written: whether waiting mends that depends."""
    return Failed(type(error).__name__, permanent=isinstance(error, MENDED_BY_PEOPLE))


def _status(code: int) -> Answer:
    """421, 450 to 452: later; 5xx: not this address, not this sender."""
    return Failed(f"SMTP {code}", permanent=code >= 500)


def _refused(code: str) -> Answer:
    return Limited(MINUTE) if code in TOO_FAST else Failed(code, permanent=code in PERMANENT)


def _message(sender: str, to: str, subject: str, markdown: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=sender.rpartition("@")[2])
    message.set_content(readable(markdown))
    message.add_alternative(html_of(markdown), subtype="html")
    return message


def _part(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}
