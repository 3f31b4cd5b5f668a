from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from leadtrail.domain.worktime import CalendarError, WorkCalendar
from leadtrail.services.previewing import end_of_tomorrow
from tests.builders import OFFICE

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("calendar", "now", "end"),
    [
        ({"hours": OFFICE}, "2026-01-26T09:00", "2026-01-27T18:00"),
        ({"hours": OFFICE}, "2026-01-30T20:00", "2026-02-02T18:00"),
        ({"hours": OFFICE, "off": ["2026-01-27", "2026-01-28"]}, "2026-01-26T09:00", "2026-01-29T18:00"),
        ({"hours": {"mon": [["22:00", "06:00"]], "tue": [["22:00", "06:00"]]}}, "2026-01-26T23:00", "2026-01-28T06:00"),
        ({"hours": OFFICE, "on": {"2026-01-31": [["10:00", "12:00"]]}}, "2026-01-30T09:00", "2026-01-31T12:00"),
    ],
    ids=["the day after", "over a weekend", "over days off", "a night shift", "a Saturday that is worked"],
)
def test_tomorrow_is_the_next_working_day_until_its_end(calendar: dict[str, Any], now: str, end: str) -> None:
    assert end_of_tomorrow(WorkCalendar.from_dict(calendar), at(now)) == at(end)


def test_a_calendar_that_is_over_has_no_tomorrow() -> None:
    calendar = WorkCalendar.from_dict({"on": {"2020-01-04": [["09:00", "10:00"]]}})

    with pytest.raises(CalendarError):
        end_of_tomorrow(calendar, at("2026-01-26T09:00"))
