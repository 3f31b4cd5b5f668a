import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadtrail.domain.identity import Phone, email, masked, phone

MOBILE = Phone("+8613800138000", identifies=True)


@pytest.mark.parametrize(
    "text",
    [
        "13800138000",
        "+8613800138000",
        "+86 138 0013 8000",
        "tel:+8613800138000",
        "008613800138000",
        "8613800138000",
        "86-138-0013-8000",
        "１３８００１３８０００",
        "＋８６\u3000１３８\u3000００１３\u3000８０００",
        "138-0013-8000",
        "(+86)138.0013.8000",
        "013800138000",
        "（86）13800138000",
        "138–0013–8000",
        "138·0013·8000",
        "138\xa00013\u20098000",
        "138−0013−8000",
        "\u202a+86 138 0013 8000\u202c",
        "\u200b13800138000\ufeff",
        "+86 (0)138 0013 8000",
        "\t13800138000\r\n",
    ],
)
def test_every_way_to_write_a_mobile_is_one_number(text: str) -> None:
    assert phone(text) == MOBILE


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("010-61234567", "+861061234567"),
        ("021 6123 4567", "+862161234567"),
        ("(0755) 8123 4567", "+8675581234567"),
        ("0571-8123456", "+865718123456"),
        ("+86 10 6123 4567", "+861061234567"),
        ("+86-021-61234567", "+862161234567"),
        ("86 21 6123 4567", "+862161234567"),
        ("400-820-8820", "4008208820"),
        ("+86 400 820 8820", "4008208820"),
        ("8008208820", "8008208820"),
        ("95588", "95588"),
        ("95013123", "95013123"),
        ("12345", "12345"),
        ("10086", "10086"),
    ],
)
def test_landlines_and_service_numbers_are_read_and_identify_nobody(text: str, number: str) -> None:
    assert phone(text) == Phone(number, identifies=False)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+1 415 867 5309", "+14158675309"),
        ("0085261234567", "+85261234567"),
        ("+44 (20) 7946-0958", "+442079460958"),
        ("＋６５ ６１２３ ４５６７", "+6561234567"),
    ],
)
def test_a_foreign_number_with_its_country_identifies(text: str, number: str) -> None:
    assert phone(text) == Phone(number, identifies=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "n/a",
        "没有",
        "123",
        "+",
        "00",
        "+86",
        "0086",
        "1380013800",
        "138001380001",
        "12800138000",
        "12345678901",
        "00000000000",
        "11111111111",
        "+0123456789",
        "+1234567890123456",
        "1380013800a",
        "13800138000;",
        "138****8000",
        "٠١٢٣٤٥٦٧٨٩٠",
        "①③⑧00138000x",
        "13800138000 13900139000",
        "'; DROP TABLE--",
        "1" * 2000,
        "+86 999 0013 8000",
        "+8613800138000123",
    ],
)
def test_what_is_no_number_is_told_apart(text: str) -> None:
    assert phone(text) is None


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_a_number(text: str) -> None:
    found = phone(text)

    assert found is None or phone(found.number) == found


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Zhang.San@Example.COM", "zhang.san@example.com"),
        ("  ｚ＠ｅｘａｍｐｌｅ.com ", "z@example.com"),
        ("张三@例子.中国", "张三@例子.中国"),
    ],
)
def test_addresses_have_one_spelling(text: str, address: str) -> None:
    assert email(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a@b",
        "a@@b.c",
        "a b@c.d",
        "@c.d",
        "a@.d",
        "a@b.",
        "a@b..c",
        "x" * 65 + "@b.cn",
        "a@" + "b" * 254 + ".c",
    ],
)
def test_what_is_no_address_is_told_apart(text: str) -> None:
    assert email(text) is None


@pytest.mark.parametrize(
    ("number", "shown"),
    [("+8613800130001", "138****0001"), ("+861061234567", "106****4567"), ("95588", "9****"), ("", "****")],
)
def test_a_masked_number_shows_its_ends_only(number: str, shown: str) -> None:
    assert masked(number) == shown
