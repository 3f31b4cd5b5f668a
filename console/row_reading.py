"""Rows of people's lists: each read into an entry that can be enlisted, or the reasons why it cannot.

Nothing is guessed: a number that a spreadsheet spoilt, an owner of whom there are two, a date of the day after
tomorrow are named, and whoever sent the list mends them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from leadtrail.domain import identity
from leadtrail.domain.company import Company, Rep
from leadtrail.domain.delivery import Contact
from leadtrail.domain.identity import Identity
from leadtrail.domain.lead import NEW_STAGE
from leadtrail.services.enlisting import Entry

T = TypeVar("T")
LONGEST = 2000  # characters of one cell
LONGEST_NAME = 200
TOGETHER_BYTES = 60_000  # of one row: its receipt holds it whole
OWNERS = ("rep", "manager")
NOTHING = frozenset(("", "-", "--", "—", "/", "\\", "无", "暂无", "没有", "空", "n/a", "#n/a", "na", "null", "none"))
CLOSED = frozenset(("成交", "已成交", "赢单", "输单", "流失", "已流失", "已关闭", "won", "lost", "closed"))
NO_CONTACT = "没有电话也没有邮箱"
LOST_DIGITS = "表格把号码变成了科学计数法，后几位已经丢失：请把该列设为文本格式，重新填写号码"
BAD_NUMBER = "不是有效的电话号码"
BAD_EMAIL = "不是有效的邮箱地址"
BAD_DATE = "日期无法识别，例如 2026-01-26 或 2026-01-26 09:05"
FUTURE = "日期晚于现在"
_SCIENTIFIC = re.compile(r"(\d)(?:\.(\d+))?e\+?(\d{1,2})", re.ASCII)
_WITH_ZEROS = re.compile(r"(\d+)\.0+", re.ASCII)
_BETWEEN = re.compile(r"[、，,；;/|\n]+")
_DATE = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]*(\d{1,2})[:时点](\d{1,2})?(?:[:分](\d{1,2})?)?[秒分]?)?",
    re.ASCII,
)
_EXCEL_DAYS = re.compile(r"\d{5}(?:\.\d+)?", re.ASCII)
_EXCEL_BEGINS = datetime(1899, 12, 30)  # noqa: DTZ001 - a day of the calendar on the wall, as Excel counts them


@dataclass(frozen=True, slots=True)
class Row:
    """A row by field (name, phone, email, owner, team, stage, created), each with its cells; the rest by heading."""

    line: int
    values: Mapping[str, Sequence[str]]
    others: Mapping[str, str]
    has_more: bool = False  # cells beyond the last heading


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is not taken: the field (empty: the row as a whole), and the reason in Chinese."""

    field: str
    why: str


def read(row: Row, *, company: Company, team: str, now: datetime) -> Entry | tuple[Fault, ...]:
    """Read a row; return what is wrong with it where it cannot be taken.

    Args:
        row: the cells by field.
        company: whose reps, teams and stages the row names.
        team: whose a lead is that names neither owner nor team; empty if each has to.
        now: aware UTC; nothing was registered later.
    """
    reader = _Reader(row, company, ZoneInfo(company.zone), now)
    phones, emails = reader.contacts()
    owner, named = reader.owner(), reader.team()
    stage, created = reader.stage(), reader.created()
    name = " ".join(reader.cells("name"))
    if len(name) > LONGEST_NAME:
        reader.faults.append(Fault("name", f"最多 {LONGEST_NAME} 个字"))
    if not phones and not emails and not reader.faults:
        reader.faults.append(Fault("phone", NO_CONTACT))
    if owner and named and owner.team != named:
        reader.faults.append(Fault("owner", f"{owner.name}不在小组“{company.teams[named].name}”"))
    whose = owner.team if owner else named or team
    if not whose and not reader.faults:
        reader.faults.append(Fault("team", "没有写明小组：请用 --team 指定，或加一列小组"))
    fields = {**row.others, **({"登记时间": created} if created else {})}
    reader.check_size(fields)
    if reader.faults:
        return tuple(reader.faults)
    contact = Contact(name, tuple(dict.fromkeys(number.number for number in phones)), tuple(dict.fromkeys(emails)))
    identities = [Identity("phone", number.number) for number in phones if number.identifies]
    identities += [Identity("email", address) for address in emails]
    return Entry(row.line, contact, tuple(dict.fromkeys(identities)), owner, whose, stage, fields)


def dialled(text: str) -> str:
    """Return a number as it is dialled, where a spreadsheet made it 13800000001.0 or 1.3800000001E+10.

    What lost digits (1.38E+10) is returned as it is, and is no number.
    """
    written = unicodedata.normalize("NFKC", text).strip().lower()
    if match := _WITH_ZEROS.fullmatch(written):
        return match[1]
    if match := _SCIENTIFIC.fullmatch(written):
        decimals, exponent = match[2] or "", int(match[3])
        if len(decimals.rstrip("0")) <= exponent <= len(decimals):
            return match[1] + decimals[:exponent]
    return text


class _Reader:
    """One row while it is read: the faults gather."""

    def __init__(self, row: Row, company: Company, zone: ZoneInfo, now: datetime) -> None:
        self.faults: list[Fault] = [Fault("", "单元格多于表头的列")] if row.has_more else []
        self._row = row
        self._company = company
        self._zone = zone
        self._now = now

    def cells(self, field: str) -> list[str]:
        """Return the cells of a field that say something."""
        return [cell for cell in self._row.values.get(field, ()) if cell.strip().lower() not in NOTHING]

    def contacts(self) -> tuple[list[identity.Phone], list[str]]:
        """Return numbers and addresses; an address below a number's heading (联系方式) is understood."""
        phones: list[identity.Phone] = []
        emails: list[str] = []
        for field in ("phone", "email"):
            for part in (part for cell in self.cells(field) for part in _parts(cell)):
                if field == "email" or "@" in unicodedata.normalize("NFKC", part):
                    address = identity.email(part)
                    self._take(emails, address, field, BAD_EMAIL)
                else:
                    number = identity.phone(dialled(part))
                    lost = _SCIENTIFIC.fullmatch(unicodedata.normalize("NFKC", part).strip().lower())
                    self._take(phones, number, field, LOST_DIGITS if lost else BAD_NUMBER)
        return phones, emails

    def owner(self) -> Rep | None:
        """Return the rep whom the row names by name, id or WeCom UserID."""
        names = self.cells("owner")
        if not names:
            return None
        named = [rep for rep in self._company.reps.values() if names[0] in (rep.id, rep.wecom_userid, rep.name)]
        known = [rep for rep in named if rep.active and rep.role in OWNERS]
        if len(known) == 1 and known[0].team:
            return known[0]
        why = "多于一位同名，请写编号" if len(known) > 1 else "已停用或不跟进线索" if named else "公司没有这个人"
        self.faults.append(Fault("owner", f"负责人“{names[0]}”{why}"))
        return None

    def team(self) -> str:
        """Return the id of the team that the row names, or an empty text."""
        names = self.cells("team")
        if not names:
            return ""
        known = [team.id for team in self._company.teams.values() if names[0] in (team.id, team.name)]
        if len(known) != 1:
            self.faults.append(Fault("team", f"公司没有小组“{names[0]}”"))
            return ""
        return known[0]

    def stage(self) -> str:
        """Return the stage that the row names, else the first."""
        names = self.cells("stage")
        stage = names[0] if names else NEW_STAGE
        if stage.lower() in CLOSED:
            self.faults.append(Fault("stage", f"“{stage}”是已经结束的线索：历史请用 leadtrail import 导入"))
        elif stage not in self._company.stages:
            self.faults.append(Fault("stage", f"没有阶段“{stage}”（现有：{'、'.join(self._company.stages)}）"))
        return stage

    def created(self) -> str:
        """Return when the row says that the lead was registered, in the company's time; it moves no clock."""
        cells = self.cells("created")
        if not cells:
            return ""
        try:
            at = moment(cells[0], self._zone)
        except (ValueError, OverflowError):
            self.faults.append(Fault("created", BAD_DATE))
            return ""
        if at > self._now:
            self.faults.append(Fault("created", FUTURE))
        return at.strftime("%Y-%m-%d %H:%M")

    def check_size(self, fields: Mapping[str, str]) -> None:
        """Refuse what one event cannot hold."""
        too_long = [name for name, text in fields.items() if len(text) > LONGEST]
        self.faults += [Fault(name, f"最多 {LONGEST:,} 个字") for name in too_long]
        if sum(len(text.encode()) for pair in fields.items() for text in pair) > TOGETHER_BYTES:
            self.faults.append(Fault("", f"一行最多 {TOGETHER_BYTES:,} 字节"))

    def _take(self, found: list[T], value: T | None, field: str, why: str) -> None:
        if value is None:
            self.faults.append(Fault(field, why))
        else:
            found.append(value)


def moment(text: str, zone: ZoneInfo) -> datetime:
    """Read a date, with a time or without, as people and spreadsheets write it; in ``zone`` where no offset is said.

    Raises:
        ValueError, OverflowError: no such date.
    """
    written = unicodedata.normalize("NFKC", text).strip()
    if match := _DATE.fullmatch(written):
        return datetime(*(int(part or 0) for part in match.groups()), tzinfo=zone)  # type: ignore[misc,arg-type]
    if _EXCEL_DAYS.fullmatch(written):
        return (_EXCEL_BEGINS + timedelta(seconds=round(float(written) * 86400))).replace(tzinfo=zone)
    at = datetime.fromisoformat(written)
    return at.astimezone(zone) if at.tzinfo else at.replace(tzinfo=zone)


def _parts(cell: str) -> list[str]:
    """Return the numbers or addresses of one cell; spaces part them only where what they part is whole."""
    found: list[str] = []
    for part in (part.strip() for part in _BETWEEN.split(cell) if part.strip()):
        pieces = part.split()
        is_whole = len(pieces) > 1 and all(identity.phone(piece) or identity.email(piece) for piece in pieces)
        found += pieces if is_whole and identity.phone(part) is None else [part]
    return found
