from datetime import timedelta

import pytest

from leadtrail.domain import touch
from leadtrail.domain.instant import from_text
from tests.builders import NINE


def test_a_connected_call_counts_from_when_it_began() -> None:
    said = touch.call(direction="in", started_at=NINE, talk_s=30, actor="source:call", agent=None, receipt="r")

    assert said.facts["effective"] is True
    assert from_text(said.facts["effective_at"]) == said.occurred_at == NINE
    assert said.facts["self_reported"] is False


@pytest.mark.parametrize("talk_s", [0, 1, 29])
def test_a_missed_or_short_call_is_kept_and_answers_nothing(talk_s: int) -> None:
    said = touch.call(direction="out", started_at=NINE, talk_s=talk_s, actor="rep:li", agent="rep-li", receipt="r")

    assert said.facts["effective"] is False
    assert "effective_at" not in said.facts


@pytest.mark.parametrize("kind", touch.KINDS)
def test_what_a_person_types_in_counts_from_when_it_was_recorded(kind: str) -> None:
    recorded_at = NINE + timedelta(hours=3)

    said = touch.reported(kind=kind, direction="out", occurred_at=NINE, recorded_at=recorded_at, actor="rep:li")

    assert said.occurred_at == NINE
    assert from_text(said.facts["effective_at"]) == recorded_at
    assert said.facts["self_reported"] is True


def test_a_reported_call_too_short_to_be_a_talk_answers_nothing() -> None:
    said = touch.reported(kind="call", direction="out", occurred_at=NINE, recorded_at=NINE, actor="rep:li", talk_s=29)

    assert said.facts["effective"] is False


def test_a_note_is_text_and_stands_in_no_fact() -> None:
    said = touch.reported(
        kind="visit", direction="out", occurred_at=NINE, recorded_at=NINE, actor="rep:li", note="客户要三套"
    )

    assert said.text == {"note": "客户要三套"}
    assert "客户要三套" not in str(said.facts)
