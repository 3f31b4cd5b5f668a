"""What the console says of channels against what docs/channels.md says."""

import re
from pathlib import Path

import pytest

from console.channel_guide import GUIDES
from console.channel_trial import ADVICE
from infra.robots import LIMITS
from infra.wecom_app import MARKDOWN_BYTES
from leadtrail.adapters import feishu, robots, verdict, wecom_app
from leadtrail.domain.company import BOTS

PAGE = (Path(__file__).parent.parent.parent / "docs/channels.md").read_text("utf-8")
ROWS = {
    row.split("`")[1]: [cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\| `.*$", PAGE, re.M)
}
CODES: tuple[verdict.Codes, ...] = (robots.CODES, feishu.CODES, wecom_app.CODES)


def test_every_kind_of_channel_has_a_guide_and_a_row_in_the_document() -> None:
    assert set(GUIDES) == set(BOTS) == set(ROWS)


@pytest.mark.parametrize("bot", BOTS)
def test_the_document_repeats_what_the_console_says(bot: str) -> None:
    guide = GUIDES[bot]

    title, menu, secret = ROWS[bot][:3]

    assert title == f"`{bot}` {guide.title}"
    assert menu.removesuffix(" *") == guide.menu
    assert secret == ", ".join(f"`{field}`" for field in guide.secret_fields)


def test_every_limit_of_a_provider_stands_in_the_document() -> None:
    limited = {str(code) for codes in CODES for code in codes.limited}

    unsaid = {code for code in limited if code not in PAGE}

    assert unsaid == set()
    assert ROWS["wecom-app"][4] == f"{MARKDOWN_BYTES:,} bytes" == f"{wecom_app.LIMIT_BYTES:,} bytes"
    assert ROWS["feishu"][3] == "100 a minute, 5 a second"
    assert LIMITS["feishu"] == ((100, 60.0), (5, 1.0))


def test_what_the_operator_can_mend_has_advice() -> None:
    # Bodies that are refused as such are our own mistakes; nobody at a desk can mend those.
    ours = {"errcode 40008", "errcode 40035", "errcode 40058", "errcode 44004", "errcode 460101", "code 9499"}
    told = {"errcode 40013": "bad-corp-id"}  # said before a message is sent

    permanent = {f"{codes.name} {code}" for codes in CODES for code in codes.permanent}

    assert {one for one in permanent - ours if told.get(one, one) not in ADVICE} == set()
