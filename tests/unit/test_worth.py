import pytest

from leadtrail.domain import worth


@pytest.mark.parametrize(
    ("said", "fen"),
    [
        ("12000", 12_000_00),
        ("12,000.50", 12_000_50),
        ("１２，０００．５０元", 12_000_50),
        ("3万元", 30_000_00),
        ("3.5 万", 35_000_00),
        ("1.2亿", 120_000_000_00),
        ("¥ 980", 980_00),
        ("RMB 980.005", 980_01),
        ("0", 0),
    ],
)
def test_an_amount_is_read_as_people_write_it(said: str, fen: int) -> None:
    assert worth.amount_fen({"amount": said}) == fen


@pytest.mark.parametrize(
    "said",
    ["", "面议", "5-10万", "-300", "1,00,000", "3万5", "$500", "9" * 16, "999999999999亿", "1e9", "NaN", "十万", "१२"],
)
def test_what_cannot_be_read_for_certain_is_no_amount(said: str) -> None:
    assert worth.amount_fen({"amount": said}) is None


def test_amount_and_tags_are_known_by_their_chinese_names_too() -> None:
    fields = {"预算金额": "5万", "标签": "重点，展会"}

    assert (worth.amount_fen(fields), worth.tags(fields)) == (50_000_00, ("重点", "展会"))


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("重点,展会，老客户;上海；华东、VIP", ("重点", "展会", "老客户", "上海", "华东", "VIP")),
        ('["重点", "展会", 7]', ("重点", "展会")),
        ("[重点]，展会", ("[重点]", "展会")),
        ("重点,重点, 重点 ", ("重点",)),
        ("二次\u202e 开发", ("二次 开发",)),
        ("", ()),
        ("，，", ()),
    ],
)
def test_tags_are_read_from_a_text_or_a_list_each_once(said: str, found: tuple[str, ...]) -> None:
    assert worth.tags({"tags": said}) == found


@pytest.mark.parametrize("said", ["13800138000", "王明 138-0013-8000", "ming@example.com", "长" * 41])
def test_a_tag_that_holds_something_personal_or_a_sentence_is_left_out(said: str) -> None:
    assert worth.tags({"tags": f"重点,{said}"}) == ("重点",)


def test_no_more_than_fifty_tags_are_kept() -> None:
    assert len(worth.tags({"tags": ",".join(f"t{number}" for number in range(60))})) == 50
