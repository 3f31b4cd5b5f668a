from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadtrail.domain import instant

SHANGHAI = timezone(timedelta(hours=8))
moments = st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 30), timezones=st.just(SHANGHAI))  # noqa: DTZ001  hypothesis wants naive bounds


@given(moments)
def test_an_instant_survives_as_text_to_the_millisecond(at: datetime) -> None:
    text = instant.to_text(at)

    assert text.endswith("Z")
    assert instant.from_text(text) == instant.cut(at)
    assert instant.to_text(instant.from_text(text)) == text


def test_a_millisecond_is_cut_and_never_rounded_up() -> None:
    at = datetime(2026, 1, 26, 23, 59, 59, 999_999, tzinfo=UTC)

    assert instant.to_text(at) == "2026-01-26T23:59:59.999Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-26",
        "2026-01-26T09:00:00",
        "2026-02-30T09:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "2026-01-26T25:00:00Z",
        "1737853200",
    ],
)
def test_a_time_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        instant.from_text(text)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("PT2H", timedelta(hours=2)),
        ("PT10S", timedelta(seconds=10)),
        ("P5D", timedelta(days=5)),
        ("P1W", timedelta(weeks=1)),
        ("P1DT1H1M1S", timedelta(days=1, hours=1, minutes=1, seconds=1)),
        ("PT0S", timedelta(0)),
    ],
)
def test_durations_are_read(text: str, span: timedelta) -> None:
    assert instant.duration(text) == span


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "2H", "PT-2H", "PT2", "PT1.5H", "P1Y", "P1M", "pt2h", "PT2H ", "PT2H\n"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        instant.duration(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0秒"),
        (45, "45秒"),
        (60, "1分"),
        (3599, "59分59秒"),
        (3600, "1小时"),
        (5 * 3600 + 20 * 60, "5小时20分"),
        (86400 + 59, "1天"),
        (2 * 86400 + 3 * 3600 + 7, "2天3小时"),
        (-5, "0秒"),
    ],
)
def test_spans_read_naturally(seconds: int, words: str) -> None:
    assert instant.duration_words(timedelta(seconds=seconds)) == words
