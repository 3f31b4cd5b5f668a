"""What the console says of providers against what docs/sources.md says, and against the providers there are."""

import re
from pathlib import Path

import pytest

from console.source_guide import GUIDES, TOKEN
from console.source_secrets import draw, hash_of
from functions.ingest.sources import PROVIDERS
from leadtrail.domain.errors import InvalidInputError

PAGE = (Path(__file__).parent.parent.parent / "docs/sources.md").read_text("utf-8")
ROWS = {
    row.split("`")[1]: [cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\| `.*$", PAGE, re.M)
}


def said_of(name: str) -> dict[str, object]:
    guide = GUIDES[name]
    fields = ", ".join(f"`{field}`" for field in guide.secret_fields)
    hosts = ", ".join(f"`{host}`" for host in guide.hosts) or "none"
    return {"provider": f"`{name}` {guide.title}", "menu": guide.menu, "secret": fields, "hosts": hosts}


def test_every_provider_has_a_guide_and_a_row_in_the_document() -> None:
    assert set(GUIDES) == set(PROVIDERS) == set(ROWS)


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_document_repeats_what_the_console_says(name: str) -> None:
    provider, menu, secret, _, _, hosts = ROWS[name]

    written = {"provider": provider, "menu": menu.removesuffix(" *"), "secret": secret, "hosts": hosts}

    assert written == said_of(name)


@pytest.mark.parametrize("name", [name for name in PROVIDERS if GUIDES[name].is_open])
def test_a_token_is_long_enough_and_only_its_hash_is_kept(name: str) -> None:
    drawn, other = (draw(GUIDES[name], ask=lambda _: "", file=None) for _ in range(2))

    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", drawn.token)  # 192 bits
    assert drawn.token != other.token
    assert drawn.value == {TOKEN: hash_of(drawn.token)}


@pytest.mark.parametrize("name", [name for name in PROVIDERS if GUIDES[name].drawn])
def test_a_signing_secret_is_drawn_anew_each_time(name: str) -> None:
    drawn, other = (draw(GUIDES[name], ask=lambda _: "", file=None) for _ in range(2))

    assert drawn.to_enter == drawn.value["secret"] != other.value["secret"]
    assert len(drawn.to_enter) >= 38  # more than 128 bits either way


WECOM = '{"token": "t", "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "corp_id": "ww1"}'


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("twilio", "the-auth-token\n", {"secret": "the-auth-token"}),
        ("standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}),
        ("hubspot", '{"secret": "a", "access_token": "b"}', {"secret": "a", "access_token": "b"}),
        (
            "wecom",
            WECOM,
            {"token": "t", "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "corp_id": "ww1"},
        ),
    ],
    ids=["a bare text", "a secret that the sender drew", "JSON", "WeCom"],
)
def test_what_the_provider_gives_comes_from_a_file(tmp_path: Path, name: str, text: str, value: dict[str, str]) -> None:
    file = tmp_path / "secret"
    file.write_text(text, "utf-8")

    drawn = draw(GUIDES[name], ask=_nobody, file=file)

    assert (drawn.value, drawn.to_enter) == (value, "")


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("hubspot", "only-one", "secret-from-file"),
        ("hubspot", '{"secret": "a"}', "access_token"),
        ("hubspot", '{"secret": "a", "access_token": 7}', "secret-from-file"),
        ("hubspot", '{"secret": "a"', "secret-from-file"),
        ("hubspot", '{"secret": "a", "access": "b"}', "secret-from-file"),
        ("twilio", "", "secret-from-file"),
        ("twilio", "two words", "secret"),
        ("twilio", "密钥", "secret"),
        ("standard", "whsec_not base64", "secret"),
        ("standard", "whsec_%%%%", "secret"),
        ("wecom", WECOM.replace("B2C", "B2"), "encoding_aes_key"),
        ("jinshuju", "a-token-of-my-own", "secret-from-file"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_its_place(tmp_path: Path, name: str, text: str, place: str) -> None:
    file = tmp_path / "secret"
    file.write_text(text, "utf-8")

    with pytest.raises(InvalidInputError) as refused:
        draw(GUIDES[name], ask=_nobody, file=file)

    assert refused.value.facts["field"] == place
    assert not text or text not in str(refused.value)


def test_in_a_rotation_an_empty_answer_keeps_what_there_is() -> None:
    known = {"secret": "old", "access_token": "kept"}

    drawn = draw(GUIDES["hubspot"], ask=lambda question: "new" if "Client" in question else "", file=None, known=known)

    assert drawn.value == {"secret": "new", "access_token": "kept"}


def test_a_rotation_to_the_same_value_is_refused() -> None:
    known = {"secret": "old", "access_token": "kept"}

    with pytest.raises(InvalidInputError):
        draw(GUIDES["hubspot"], ask=lambda _: "", file=None, known=known)


def _nobody(question: str) -> str:
    raise AssertionError(question)
