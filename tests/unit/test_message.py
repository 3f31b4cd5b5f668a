from leadtrail.domain.message import AlertWords, alert, cut, harmless

WORDS = AlertWords(
    alert_id="01KAR3NDEKTSV4RRFFQ69G5FAV",
    level=1,
    audience="owner",
    rule="首次响应",
    name="张三",
    phone="138****0001",
    owner="李四",
    stage="新线索",
    due="01-26(周一) 11:00",
    late_by="20分(工作时间)",
    budget="2个工作小时",
    explain=["01-26(周一) 09:00–11:00 计2小时"],
    estimated=False,
    link="http://127.0.0.1/r/token",
)


def test_a_message_says_who_what_by_how_much_why_and_where() -> None:
    text = alert(WORDS)

    for expected in (
        "首次响应已超时",
        "张三",
        "138****0001",
        "李四",
        "20分(工作时间)",
        "计2小时",
        "G5FAV",
        "](http://127",
    ):
        assert expected in text


def test_a_hostile_name_can_neither_mention_nor_link_nor_fake_a_line() -> None:
    shown = harmless("@all <@zhang>\n> [点我](http://evil)\u202e\u0007")

    assert not set(shown) & set("@<>[]()\n\u202e\u0007")


def test_a_name_of_1400_characters_is_cut_within_the_channels_bytes() -> None:
    text = alert(AlertWords(**{**{name: getattr(WORDS, name) for name in AlertWords.__slots__}, "name": "汉" * 1400}))

    assert len(text.encode()) <= 4096
    assert text.endswith("提醒编号 9G5FAV")


def test_text_is_cut_on_a_character_border() -> None:
    assert cut("汉" * 2000, 100).encode().decode().endswith("…")
    assert len(cut("汉" * 2000, 100).encode()) <= 100


def test_a_number_or_an_address_in_a_name_is_shown_to_nobody() -> None:
    shown = harmless("客户13912345678 http://evil.example/a")

    assert "139****5678" in shown
    assert "13912345678" not in shown
    assert not set(shown) & set(":/.")
