"""Headings and rows of people's lists: which column is what, and what a cell says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from console import columns, row_reading
from console.row_reading import Fault, Row, dialled, moment
from console.spreadsheet import Line
from leadtrail.domain.company import Company, Rep, Team
from leadtrail.domain.errors import InvalidInputError
from leadtrail.services.enlisting import Entry

NINE = datetime(2026, 1, 26, 1, tzinfo=UTC)  # Monday, 09:00 in Shanghai
SHANGHAI = ZoneInfo("Asia/Shanghai")
COMPANY = Company(
    stamp=1,
    name="示例公司",
    zone="Asia/Shanghai",
    teams={"east": Team("east", "华东一组"), "south": Team("south", "华南一组")},
    reps={
        "rep-zhang": Rep("rep-zhang", "张三", "rep", "east", "zhangsan"),
        "rep-wu-1": Rep("rep-wu-1", "吴敏", "rep", "east"),
        "rep-wu-2": Rep("rep-wu-2", "吴敏", "rep", "south"),
        "rep-gone": Rep("rep-gone", "马离", "rep", "east", active=False),
        "dir-chen": Rep("dir-chen", "陈总", "director", ""),
    },
    sources={},
    channels={},
    policies={},
    stages=("新线索", "需求确认", "已成交"),
)


def lines(*rows: tuple[str, ...]) -> list[Line]:
    return [Line(number, row) for number, row in enumerate(rows, start=1)]


def fields(*rows: tuple[str, ...], **overrides: str) -> dict[str, str]:
    table = columns.table(lines(*rows), overrides)
    return {column.heading: column.field for column in table.columns}


def entry(**values: Any) -> Entry | tuple[Fault, ...]:
    cells = {field: (value,) if isinstance(value, str) else value for field, value in values.items()}
    return row_reading.read(Row(2, cells, {}), company=COMPANY, team="east", now=NINE)


def faults(**values: Any) -> list[tuple[str, str]]:
    found = entry(**values)
    assert not isinstance(found, Entry)
    return [(fault.field, fault.why) for fault in found]


def taken(**values: Any) -> Entry:
    found = entry(**values)
    assert isinstance(found, Entry)
    return found


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("姓名", "name"),
        ("客户姓名", "name"),
        ("联系人", "name"),
        ("*手机号（必填）", "phone"),
        ("手　机", "phone"),
        ("客户联系电话", "phone"),
        ("电话2", "phone"),
        ("Mobile Phone", "phone"),
        ("E-Mail", "email"),
        ("联系人邮箱", "email"),
        ("线索来源", "source"),
        ("获客渠道", "source"),
        ("跟进人", "owner"),
        ("销售姓名", "owner"),
        ("lead_owner", "owner"),
        ("所属小组", "team"),
        ("商机阶段", "stage"),
        ("登记时间", "created"),
        ("Created At", "created"),
        ("跟进备注", "note"),
        ("客户公司", "company"),
        ("负责人电话", "text"),
        ("推荐人手机", "text"),
        ("最近跟进时间", "text"),
    ],
)
def test_a_heading_is_known_by_the_names_that_people_give_it(heading: str, field: str) -> None:
    known = fields((heading, "手机", "邮箱"), ("x", "19900000001", "a@example.com"))

    assert known[heading] == field


def test_titles_may_stand_above_the_header() -> None:
    rows = lines(("2026年1月客户名单", "", ""), ("导出人：张三",), ("姓名", "手机", "备注"), ("赵", "19900000001", ""))

    table = columns.table(rows, {})

    assert [line.number for line in table.lines] == [4]
    assert [column.field for column in table.columns] == ["name", "phone", "note"]


def test_a_column_of_mobiles_is_the_phone_whatever_its_heading_says() -> None:
    known = fields(("姓名", "备用", "负责人手机"), ("赵", "19900000001.0", "19900000009"), ("钱", "199 0000 0002", ""))

    assert known == {"姓名": "name", "备用": "phone", "负责人手机": "text"}


def test_a_column_of_addresses_is_the_email() -> None:
    known = fields(("称呼", "号"), ("赵", "zhao@example.com"), ("钱", "无"), ("孙", "sun@example.com"))

    assert known["号"] == "email"


def test_of_two_columns_for_one_field_the_surest_has_it_and_the_other_is_kept() -> None:
    known = fields(("客户", "联系人", "手机", "电话"), ("云帆教育", "赵一鸣", "19900000001", "021-60000000"))

    assert known == {"客户": "text", "联系人": "name", "手机": "phone", "电话": "phone"}


def test_the_operator_has_the_last_word() -> None:
    rows = (("姓名", "手机", "代号", "手机2"), ("赵", "19900000001", "rep-zhang", "19900000002"))

    known = fields(*rows, 代号="负责人", 手机2="忽略", 姓名="text")

    assert known == {"姓名": "text", "手机": "phone", "代号": "owner", "手机2": "ignored"}


@pytest.mark.parametrize(("heading", "field"), [("微信", "电话"), ("姓名", "心情")])
def test_an_override_that_makes_no_sense_is_named(heading: str, field: str) -> None:
    with pytest.raises(InvalidInputError, match="--map"):
        fields(("姓名", "手机"), ("赵", "19900000001"), **{heading: field})


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ((), "空的"),
        ((("赵", "19900000001"), ("钱", "19900000002")), "没有表头"),
        ((("姓名", "公司"), ("赵", "云帆")), "没有找到电话或邮箱列"),
    ],
    ids=["empty", "no header", "nobody to reach"],
)
def test_a_file_that_nobody_can_be_reached_by_is_refused(rows: tuple[tuple[str, ...], ...], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        fields(*rows)


def test_headings_that_stand_twice_or_not_at_all_are_told_apart() -> None:
    table = columns.table(lines(("手机", "备注", "备注", "", "公司"), ("19900000001", "一", "二", "三", "四")), {})

    row = table.row(table.lines[0])

    assert dict(row.others) == {"备注": "一", "备注 (2)": "二", "第4列": "三", "公司": "四"}


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("13800000001.0", "13800000001"),
        ("1.3800000001E+10", "13800000001"),
        ("1.38000000010e10", "13800000001"),
        ("8.613800000001E+12", "8613800000001"),
        ("1.38E+10", "1.38E+10"),
        ("138 0000 0001", "138 0000 0001"),
    ],
)
def test_a_number_that_a_spreadsheet_changed_is_dialled_as_it_was(written: str, number: str) -> None:
    assert dialled(written) == number


def test_a_number_in_scientific_notation_that_lost_digits_is_refused_with_the_reason() -> None:
    assert faults(phone="1.38E+10") == [("phone", row_reading.LOST_DIGITS)]


def test_several_numbers_and_addresses_of_one_cell_are_one_person() -> None:
    found = taken(name="赵一鸣", phone="19900000001、19900000002 / 021-60000000", email="A@Example.com；b@example.com")

    assert found.contact.phones == ("+8619900000001", "+8619900000002", "+862160000000")
    assert found.contact.emails == ("a@example.com", "b@example.com")
    assert [identity.kind for identity in found.identities] == ["phone", "phone", "email", "email"]


def test_numbers_parted_by_spaces_are_several_where_each_is_whole() -> None:
    found = taken(phone=("19900000001 19900000002", "199 0000 0003"))

    assert found.contact.phones == ("+8619900000001", "+8619900000002", "+8619900000003")


def test_an_address_below_the_heading_of_numbers_is_understood() -> None:
    found = taken(phone="zhao@example.com")

    assert found.contact.emails == ("zhao@example.com",)


@pytest.mark.parametrize(
    ("values", "field", "why"),
    [
        ({"name": "赵"}, "phone", row_reading.NO_CONTACT),
        ({"phone": "无", "email": "-"}, "phone", row_reading.NO_CONTACT),
        ({"phone": "1990000"}, "phone", row_reading.BAD_NUMBER),
        ({"phone": "19900000001、19900"}, "phone", row_reading.BAD_NUMBER),
        ({"email": "zhao@"}, "email", row_reading.BAD_EMAIL),
        ({"phone": "19900000001", "owner": "王五"}, "owner", "公司没有这个人"),
        ({"phone": "19900000001", "owner": "吴敏"}, "owner", "多于一位同名"),
        ({"phone": "19900000001", "owner": "马离"}, "owner", "已停用"),
        ({"phone": "19900000001", "owner": "陈总"}, "owner", "不跟进线索"),
        ({"phone": "19900000001", "team": "西北组"}, "team", "没有小组"),
        ({"phone": "19900000001", "owner": "张三", "team": "华南一组"}, "owner", "不在小组“华南一组”"),
        ({"phone": "19900000001", "team": "", "stage": "谈恋爱"}, "stage", "没有阶段"),
        ({"phone": "19900000001", "stage": "已成交"}, "stage", "已经结束"),
        ({"phone": "19900000001", "created": "上周"}, "created", row_reading.BAD_DATE),
        ({"phone": "19900000001", "created": "2026-02-30"}, "created", row_reading.BAD_DATE),
        ({"phone": "19900000001", "created": "2026-01-27"}, "created", row_reading.FUTURE),
        ({"phone": "19900000001", "name": "赵" * 201}, "name", "最多 200 个字"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_its_column(values: dict[str, str], field: str, why: str) -> None:
    [(found, reason)] = faults(**values)

    assert found == field
    assert why in reason


def test_all_faults_of_a_row_are_told_at_once() -> None:
    found = faults(phone="19900", owner="王五", created="上周")

    assert [field for field, _ in found] == ["phone", "owner", "created"]


def test_a_row_that_names_no_team_needs_one_from_its_owner_or_from_the_command() -> None:
    nobodys = row_reading.read(Row(2, {"phone": ("19900000001",)}, {}), company=COMPANY, team="", now=NINE)
    by_owner = row_reading.read(
        Row(2, {"phone": ("19900000001",), "owner": ("zhangsan",)}, {}), company=COMPANY, team="", now=NINE
    )

    assert not isinstance(nobodys, Entry)
    assert nobodys[0].field == "team"
    assert isinstance(by_owner, Entry)
    assert by_owner.team == "east"


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026-01-20", "2026-01-20 00:00"),
        ("2026/1/20 9:05", "2026-01-20 09:05"),
        ("2026.1.20 9:05:07", "2026-01-20 09:05"),
        ("2026年1月20日", "2026-01-20 00:00"),
        ("2026年1月20日 9点5分", "2026-01-20 09:05"),
        ("２０２６-０１-２０ 09：05", "2026-01-20 09:05"),
        ("20260120", "2026-01-20 00:00"),
        ("46042.5", "2026-01-20 12:00"),
        ("2026-01-20T01:05:00Z", "2026-01-20 09:05"),
    ],
)
def test_dates_are_read_as_people_and_spreadsheets_write_them(written: str, at: str) -> None:
    assert moment(written, SHANGHAI).strftime("%Y-%m-%d %H:%M") == at


def test_the_same_row_has_the_same_key_however_it_is_spelled() -> None:
    first = taken(name="赵一鸣", phone="199 0000 0001", owner="张三")
    again = taken(name="赵一鸣", phone="+8619900000001", owner="zhangsan")
    other = taken(name="赵一鸣", phone="19900000001")

    assert first.key == again.key
    assert first.key != other.key
