"""Mail through SMTP and SES: to one person, readable without a picture or a script, and honest about its fate."""

import email
import email.policy
import re
import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from moto import mock_aws

from infra.mail_server import MailServer
from leadtrail.adapters.mail import Mail
from leadtrail.adapters.mail_text import html_of
from leadtrail.adapters.verdict import MINUTE
from leadtrail.domain.company import Rep
from leadtrail.services.dispatching import Answer, Failed, Limited, Sent, Unanswered

MARKDOWN = (
    '### <font color="warning">首次响应已超时</font>\n> 客户：**张三**\n[查看线索](http://127.0.0.1/r/1) 编号 AB12'
)
TITLE = "首次响应已超时"
FROM = "leadtrail@example.com"
ZHANG = Rep("rep-zhang", "张三", "rep", "huadong", email="zhangsan@example.com")


class Ses:
    """SES's client: remembers what it was asked, or fails as it is told."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.asked: list[dict[str, Any]] = []

    def send_email(self, **request: Any) -> dict[str, str]:
        if self.failure:
            raise self.failure
        self.asked.append(request)
        return {"MessageId": "1"}


class Server(smtplib.SMTP):
    """A mail server that answers as it is told; what it was handed is kept."""

    def __init__(
        self, *, rcpt: int = 250, data: Callable[[], int] = lambda: 250, login: Exception | None = None
    ) -> None:
        super().__init__()
        self.handed: list[bytes] = []
        self._rcpt, self._data, self._login = rcpt, data, login
        self.did_quit = False

    def ehlo_or_helo_if_needed(self) -> None:
        """Be polite."""

    def login(self, user: str, password: str, *, initial_response_ok: bool = True) -> tuple[int, bytes]:
        if self._login:
            raise self._login
        return 235, b"ok"

    def mail(self, sender: str, options: Any = ()) -> tuple[int, bytes]:
        return 250, b"ok"

    def rcpt(self, recip: str, options: Any = ()) -> tuple[int, bytes]:
        return self._rcpt, b"said"

    def data(self, msg: Any) -> tuple[int, bytes]:
        self.handed.append(msg)
        return self._data(), b"said"

    def quit(self) -> tuple[int, bytes]:
        self.did_quit = True
        raise smtplib.SMTPServerDisconnected("bye")


def by_smtp(server: Server, **secret: str) -> Answer:
    adapter = Mail(Ses, lambda host, port: server)
    return adapter.send({"from": FROM, "host": "smtp.example.com", **secret}, ZHANG, MARKDOWN, TITLE)


def by_ses(ses: Any, to: Rep | None = ZHANG) -> Answer:
    return Mail(lambda: ses).send({"from": FROM}, to, MARKDOWN, TITLE)


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "SendEmail")


def raising(error: Exception) -> Callable[[], int]:
    def fail() -> int:
        raise error

    return fail


def test_a_mail_has_words_for_readers_with_and_without_pages() -> None:
    server = Server()

    answer = by_smtp(server)

    message = email.message_from_bytes(server.handed[0], policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    plain, page = (part.get_content() for part in message.iter_parts())
    assert answer == Sent()
    assert (message["Subject"], message["From"], message["To"]) == (TITLE, FROM, "zhangsan@example.com")
    assert plain.splitlines() == [TITLE, "客户：张三", "查看线索：http://127.0.0.1/r/1 编号 AB12"]
    assert '<a href="http://127.0.0.1/r/1">查看线索</a>' in page
    assert "<strong>张三</strong>" in page


def test_what_a_stranger_typed_is_no_element_of_the_page() -> None:
    page = html_of(
        '### 超时\n<img src=x onerror=alert(1)> "><script> [x](javascript:alert(1)) [y](http://a/"onclick=1)'
    )

    elements = set(re.findall(r"</?([a-z]+)", page))
    assert elements <= {"html", "body", "h", "p", "a"}
    assert re.findall(r'href="([^"]*)"', page) == ["http://a/&quot;onclick=1"]
    assert "onerror=alert(1)" in page


def test_a_title_of_several_lines_makes_no_further_header() -> None:
    server = Server()

    Mail(Ses, lambda host, port: server).send(
        {"from": FROM, "host": "h"}, ZHANG, "正文", "题目\r\nBcc: all@example.com"
    )

    message = email.message_from_bytes(server.handed[0], policy=email.policy.default)
    assert message["Subject"] == "题目 Bcc: all@example.com"
    assert message["Bcc"] is None


@pytest.mark.parametrize(
    "address", [None, "", "nobody", "a@b", "a@example.com, b@example.com", "a@example.com\r\nBcc: b@c.cn"]
)
def test_nobody_but_one_person_is_ever_addressed(address: str | None) -> None:
    ses = Ses()

    answer = by_ses(ses, Rep("rep-x", "某人", "rep", "huadong", email=address))

    assert answer == Failed("nobody with a mail address", permanent=True)
    assert ses.asked == []


def test_a_secret_without_a_sender_is_refused_for_good() -> None:
    answer = Mail(Ses).send({"host": "smtp.example.com"}, ZHANG, MARKDOWN, TITLE)

    assert answer == Failed("a secret without from", permanent=True)


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        pytest.param(Server(rcpt=550), Failed("SMTP 550", permanent=True), id="no such mailbox"),
        pytest.param(Server(rcpt=450), Failed("SMTP 450"), id="mailbox busy"),
        pytest.param(Server(data=lambda: 554), Failed("SMTP 554", permanent=True), id="message refused"),
        pytest.param(Server(data=raising(smtplib.SMTPDataError(451, b""))), Failed("SMTP 451"), id="not now"),
        pytest.param(Server(data=raising(TimeoutError())), Unanswered("TimeoutError"), id="no answer"),
        pytest.param(
            Server(data=raising(smtplib.SMTPServerDisconnected())), Unanswered("SMTPServerDisconnected"), id="closed"
        ),
    ],
)
def test_what_a_mail_server_says_is_understood(server: Server, expected: Answer) -> None:
    answer = by_smtp(server)

    assert answer == expected
    assert server.did_quit


def test_a_wrong_password_is_an_operators_matter() -> None:
    server = Server(login=smtplib.SMTPAuthenticationError(535, b"no"))

    answer = by_smtp(server, user="u", password="p")

    assert answer == Failed("SMTPAuthenticationError", permanent=True)


def test_a_server_that_offers_no_encryption_hears_nothing() -> None:
    taken: list[str] = []

    def take(recipient: str, text: str) -> str:
        taken.append(text)
        return "250 ok"

    with MailServer(take) as server:
        answer = Mail(Ses).send({"from": FROM, "host": "localhost", "port": str(server.port)}, ZHANG, MARKDOWN, TITLE)

    assert answer == Failed("SMTPNotSupportedError", permanent=True)
    assert taken == []


@pytest.mark.parametrize(("port", "permanent"), [("1", False), ("no-number", True)])
def test_nobody_at_the_port_is_tried_again_and_what_is_no_port_is_mended(port: str, permanent: bool) -> None:
    answer = Mail(Ses).send({"from": FROM, "host": "127.0.0.1", "port": port}, ZHANG, MARKDOWN, TITLE)

    assert isinstance(answer, Failed)
    assert answer.permanent is permanent


def test_a_line_that_begins_with_a_dot_arrives_whole() -> None:
    texts: list[tuple[str, str]] = []

    def take(recipient: str, text: str) -> str:
        texts.append((recipient, text))
        return "250 ok"

    with MailServer(take) as server:
        secret = {"from": FROM, "host": "127.0.0.1", "port": str(server.port)}
        answer = Mail(Ses).send(secret, ZHANG, "### t\n.\n..dots\nend", "t")

    assert answer == Sent()
    assert texts == [("zhangsan@example.com", "### t\n.\n..dots\nend")]


@mock_aws
def test_ses_takes_the_mail_of_a_verified_sender_and_refuses_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client = boto3.client("sesv2", region_name="eu-central-1")
    unverified = by_ses(client)
    client.create_email_identity(EmailIdentity=FROM)

    answer = by_ses(client)

    assert unverified == Failed("MessageRejected", permanent=True)
    assert answer == Sent()


def test_ses_is_asked_for_one_recipient_in_both_forms() -> None:
    ses = Ses()

    by_ses(ses)

    [request] = ses.asked
    assert request["Destination"] == {"ToAddresses": ["zhangsan@example.com"]}
    assert set(request["Content"]["Simple"]["Body"]) == {"Text", "Html"}


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (refusal("MessageRejected"), Failed("MessageRejected", permanent=True)),
        (refusal("MailFromDomainNotVerifiedException"), Failed("MailFromDomainNotVerifiedException", permanent=True)),
        (refusal("AccountSuspendedException"), Failed("AccountSuspendedException", permanent=True)),
        (refusal("SendingPausedException"), Failed("SendingPausedException", permanent=True)),
        (refusal("TooManyRequestsException"), Limited(MINUTE)),
        (refusal("InternalFailure"), Failed("InternalFailure")),
        (ReadTimeoutError(endpoint_url="https://ses"), Unanswered("ReadTimeoutError")),
        (EndpointConnectionError(endpoint_url="https://ses"), Failed("EndpointConnectionError")),
        (NoCredentialsError(), Failed("NoCredentialsError")),
    ],
    ids=lambda value: getattr(value, "reason", ""),
)
def test_what_ses_says_is_understood(failure: Exception, expected: Answer) -> None:
    assert by_ses(Ses(failure)) == expected
