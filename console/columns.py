"""Columns to fields: by the names that people give them, by what stands below them, or as the operator says.

A heading is known whole (手机, Mobile) or by its end (客户联系电话), unless its beginning speaks of somebody else:
the number below 负责人电话 is not the customer's, and would make one person of all customers of a rep.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from console.row_reading import Row, dialled
from console.spreadsheet import Line
from leadtrail.domain import identity
from leadtrail.domain.errors import InvalidInputError

HEADER_WITHIN = 20  # lines: titles and remarks may stand above the header
SAMPLE = 50  # values of a column that are looked at
ENOUGH = 0.6  # of them have to be mobiles, or addresses
UNSURE = 100  # known by its end only
TEXT, IGNORED = "text", "ignored"  # a column that is kept as what was said; one that is left out


@dataclass(frozen=True, slots=True)
class Field:
    """What a column can be, and how people head it, the surest name first."""

    key: str
    title: str
    headings: tuple[str, ...]
    several: bool = False  # all columns that fit are read, not only the surest


FIELDS = (
    Field("name", "姓名", ("姓名", "客户姓名", "联系人姓名", "联系人", "客户名称", "客户", "名字", "称呼", "name",
                         "full name", "customer name", "contact name", "contact", "customer")),
    Field("phone", "电话", ("手机号码", "手机号", "手机", "联系电话", "联系方式", "电话号码", "电话", "移动电话",
                          "座机", "mobile", "mobile phone", "mobile number", "cell", "cell phone", "phone",
                          "phone number", "tel", "telephone"), several=True),
    Field("email", "邮箱", ("邮箱", "电子邮箱", "邮箱地址", "电子邮件", "邮件", "email", "e-mail", "email address",
                          "mail"), several=True),
    Field("owner", "负责人", ("负责人", "跟进人", "归属人", "所属销售", "销售代表", "销售", "业务员", "顾问", "owner",
                           "lead owner", "sales", "sales rep", "rep", "assigned to")),
    Field("team", "小组", ("小组", "团队", "销售组", "组别", "team", "group")),
    Field("stage", "阶段", ("阶段", "销售阶段", "stage", "lead stage")),
    Field("created", "登记时间", ("登记时间", "创建时间", "录入时间", "提交时间", "添加时间", "登记日期", "创建日期",
                               "录入日期", "created at", "created", "created time", "create date", "date created")),
    Field("source", "来源", ("来源", "渠道", "线索来源", "source", "lead source", "channel")),
    Field("company", "公司", ("公司", "公司名称", "单位", "企业", "企业名称", "company", "company name",
                            "organization", "account")),
    Field("note", "备注", ("备注", "说明", "需求", "note", "notes", "remark", "remarks", "comment", "comments")),
)  # fmt: skip
READ = ("name", "phone", "email", "owner", "team", "stage", "created")  # the others are kept as text
TITLES = {each.key: each.title for each in FIELDS} | {TEXT: "保留为文字", IGNORED: "忽略"}
BY = {"name": "列名", "example": "内容", "map": "指定", "": ""}
OWN = ("错误行号", "错误列", "错误原因")  # headings of our own list of errors: mended, it is imported again
_OTHERS = re.compile("负责|销售|跟进|归属|顾问|员工|业务员|客服|经理|主管|推荐|介绍|转介|紧急|录入人|创建人|配偶|家长")
_OWNERS = re.compile("负责|销售|跟进|归属|顾问|业务员")
_REMARK = re.compile(r"[(\[【].*?[)\]】]|[*:\s_\-./#]+|\d+$")


def plain(heading: str) -> str:
    """Return a heading as it is compared: one width, one case, without spaces, stars, remarks and a number behind."""
    return _REMARK.sub("", unicodedata.normalize("NFKC", heading).casefold())


_NAMES = {plain(heading): (rank, field.key) for field in FIELDS for rank, heading in enumerate(field.headings)}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file: its place, its heading (made unique), its field, and by what it was found (``BY``)."""

    index: int
    heading: str
    field: str
    by: str

    @property
    def title(self) -> str:
        """The field, for people."""
        return TITLES[self.field]


@dataclass(frozen=True, slots=True)
class Table:
    """A file whose columns are known: the rows below its header."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]

    def row(self, line: Line) -> Row:
        """Return a line by field; what is only kept stands under its heading."""
        values: dict[str, tuple[str, ...]] = {}
        others: dict[str, str] = {}
        for column in self.columns:
            cell = line.cells[column.index] if column.index < len(line.cells) else ""
            if not cell or column.field == IGNORED:
                continue
            if column.field in READ:
                values[column.field] = (*values.get(column.field, ()), cell)
            else:
                others[column.heading] = cell
        return Row(line.number, values, others, has_more=any(line.cells[len(self.columns) :]))

    def heading(self, field: str) -> str:
        """Return the headings of a field, for whoever has to mend one of its cells."""
        found = [column.heading for column in self.columns if column.field == field]
        return "、".join(found) or TITLES.get(field, field)


def table(lines: Sequence[Line], overrides: Mapping[str, str]) -> Table:
    """Find the header and what its columns are; ``overrides`` maps headings to fields (key or title).

    Raises:
        InvalidInputError: there is no header, no column to reach anybody by, or an override makes no sense.
    """
    start = _header(lines)
    header, below = lines[start], tuple(lines[start + 1 :])
    width = max((index for index, cell in enumerate(header.cells, start=1) if cell), default=0)
    headings = _unique(header.cells[:width])
    fields = _by_name(headings)
    wanted = _overrides(headings, overrides)
    for index, field in wanted.items():
        _take(fields, index, field, "map")
    for field, fits in (("phone", _is_mobile), ("email", _is_email)):
        if all(found != field for found, _ in fields.values()):
            free = [index for index in range(width) if index not in fields and not _OTHERS.search(headings[index])]
            fields |= {index: (field, "example") for index in free if _mostly(below, index, fits)}
    columns = tuple(Column(index, heading, *fields.get(index, (TEXT, ""))) for index, heading in enumerate(headings))
    if not any(column.field in ("phone", "email") for column in columns):
        raise InvalidInputError("file", "没有找到电话或邮箱列，请用 --map 列名=电话 指定")
    return Table(columns, below)


def _header(lines: Sequence[Line]) -> int:
    """Return the first line with two known headings, else with one, else the first line if it holds no data."""
    near = lines[:HEADER_WITHIN]
    for enough in (2, 1):
        for index, line in enumerate(near):
            if sum(_known(cell) is not None for cell in line.cells) >= enough:
                return index
    if not near:
        raise InvalidInputError("file", "文件是空的")
    if any(_is_mobile(cell) or _is_email(cell) for cell in near[0].cells):
        raise InvalidInputError("file", "没有表头：请在第一行写上列名，例如 姓名、手机、邮箱")
    return 0


def _known(heading: str) -> tuple[int, str] | None:
    """Return how unsure the name of a column is (0: the surest), and its field."""
    name = plain(heading)
    if name in _NAMES:
        return _NAMES[name]
    endings = (name[start:] for start in range(1, len(name)))
    ending = next((each for each in endings if each in _NAMES and not each.isascii()), None)
    if ending is None:
        return None
    rank, key = _NAMES[ending]
    before = name.removesuffix(ending)
    if _OTHERS.search(before) and key in ("name", "phone", "email"):
        return (rank, "owner") if key == "name" and _OWNERS.search(before) else None
    return UNSURE + rank, key


def _by_name(headings: Sequence[str]) -> dict[int, tuple[str, str]]:
    """Return field and reason by index; of several columns for one field the surest has it, the others stay text."""
    fields = {index: (IGNORED, "name") for index, heading in enumerate(headings) if heading in OWN}
    found = [(*known, index) for index, heading in enumerate(headings) if (known := _known(heading))]
    several = {field.key for field in FIELDS if field.several or field.key not in READ}
    for _, key, index in sorted(found):
        if index not in fields and (key in several or all(field != key for field, _ in fields.values())):
            fields[index] = (key, "name")
    return fields


def _overrides(headings: Sequence[str], overrides: Mapping[str, str]) -> dict[int, str]:
    keys = {plain(name): key for key, title in TITLES.items() for name in (key, title)}
    wanted = {}
    for heading, name in overrides.items():
        if heading.strip() not in headings:
            raise InvalidInputError("--map", f"文件没有“{heading}”这一列（现有：{'、'.join(headings)}）")
        if plain(name) not in keys:
            raise InvalidInputError("--map", f"没有“{name}”这个字段（可用：{'、'.join(TITLES.values())}）")
        wanted[headings.index(heading.strip())] = keys[plain(name)]
    return wanted


def _take(fields: dict[int, tuple[str, str]], index: int, field: str, by: str) -> None:
    """Give a field to a column; a guess that had it, where only one can, is dropped."""
    single = {each.key for each in FIELDS if each.key in READ and not each.several}
    for other in [other for other, (known, why) in fields.items() if known == field and why != "map"]:
        if field in single:
            del fields[other]
    fields[index] = (field, by)


def _unique(cells: Sequence[str]) -> list[str]:
    headings: list[str] = []
    for index, cell in enumerate(cells, start=1):
        name = cell or f"第{index}列"
        again = sum(each == name or each.startswith(f"{name} (") for each in headings)
        headings.append(f"{name} ({again + 1})" if again else name)
    return headings


def _mostly(lines: Sequence[Line], index: int, fits: Callable[[str], bool]) -> bool:
    values = [line.cells[index] for line in lines if index < len(line.cells) and line.cells[index]][:SAMPLE]
    return bool(values) and sum(map(fits, values)) >= ENOUGH * len(values)


def _is_mobile(text: str) -> bool:
    number = identity.phone(dialled(text))
    return number is not None and number.identifies and number.number.startswith("+86")


def _is_email(text: str) -> bool:
    return identity.email(text) is not None
