"""`leadtrail channel …` over providers that refuse as the real ones do: a channel is added, tried and listed."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from console import channel_trial, channels, main
from console.channel_guide import GUIDES
from console.channel_trial import ADVICE, advice, said
from console.channel_wish import Wish, check_secret, checked
from console.company import MORE_CHANNELS
from console.source_secrets import Prompt
from infra import robots as played
from infra.chat_provider import Robot
from infra.mail_server import Mailbox
from infra.robot_server import RobotServer
from infra.wecom_app import App
from leadtrail.domain.company import BOTS
from leadtrail.domain.errors import InvalidInputError
from leadtrail.services.dispatching import Answer, Failed, Limited, Sent, Unanswered
from tests.integration.conftest import SETTINGS, TestWorld

GROUP = Robot("new", "wecom", "新的群", "wecom-key-1")
MANAGERS = Robot("new", "dingtalk", "主管群", "dingtalk-token-1", "SEC0123456789")
FEISHU = Robot("new", "feishu", "飞书群", "feishu-key-1", "feishu-secret")
APP = App("new", "wwcorporation1", 1000002, "app-secret", {"zhangsan": "张三"})
AUDIENCE = {"dingtalk": ("manager", "director")}
TO = {"wecom-app": "rep-zhang", "mail": "rep-zhang"}


class Desk:
    """An operator's screen and commands, with what the providers' consoles showed them."""

    def __init__(self, world: TestWorld, server: RobotServer) -> None:
        world.settings = replace(SETTINGS, wecom_api=f"{server.base}/wecom")
        self.world, self.server = world, server
        self.known: dict[str, dict[str, str]] = {
            "wecom": {"url": GROUP.url(server.base)},
            "dingtalk": {"url": MANAGERS.url(server.base), "secret": MANAGERS.secret},
            "feishu": {"url": FEISHU.url(server.base), "secret": FEISHU.secret},
            "wecom-app": {"corp_id": APP.corp_id, "agent_id": str(APP.agent_id), "secret": APP.secret},
            "mail": {"from": "leadtrail@example.com", "host": "127.0.0.1", "port": str(server.mail.port)},
        }
        self.asked: list[str] = []

    def types(self, bot: str) -> Prompt:
        fields = {field.title: field.key for field in GUIDES[bot].asked}

        def ask(question: str) -> str:
            self.asked.append(question)
            return self.known[bot].get(fields[question.removesuffix("，没有则直接回车")], "")

        return ask

    def add(self, bot: str, **options: Any) -> str:
        flags = {name: options.pop(name) for name in ("replace", "renew", "file") if name in options}
        wish = Wish("new", bot, options.pop("audiences", AUDIENCE.get(bot, ("owner",))), **options)
        screen = Console(file=io.StringIO(), width=200)
        channels.add(wish, self.world, ask=self.types(bot), console=screen, **flags)
        return shown(screen)

    def trial(self, to: str | None = None) -> tuple[int, str]:
        screen = Console(file=io.StringIO(), width=200)
        status = channel_trial.run("new", self.world, to=to, console=screen)
        return status, shown(screen)

    def stored(self) -> list[dict[str, str]]:
        return self.world.source_secrets("channel/new")


def shown(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.fixture
def desk(world: TestWorld) -> Iterator[Desk]:
    # The signatures of the played robots are checked at the world's time.
    robots = played.Robots(
        [GROUP, MANAGERS, FEISHU, APP, Mailbox("new", {"zhangsan@example.com": "张三"})],
        now=lambda: world.now().timestamp(),
    )
    with RobotServer(robots, port=0) as server:
        yield Desk(world, server)


def test_every_kind_of_channel_has_a_guide() -> None:
    assert set(GUIDES) == set(BOTS)


@pytest.mark.parametrize("bot", GUIDES)
def test_a_channel_added_by_the_console_alone_brings_a_message(desk: Desk, bot: str) -> None:
    added = desk.add(bot)

    status, tried = desk.trial(TO.get(bot))

    [message] = desk.server.robots.inbox()
    assert (status, tried) == (0, "对方已收下，请到群里或手机上看一眼\n")
    assert "测试消息" in message.text
    assert message.bot == bot
    assert GUIDES[bot].menu in added
    assert "leadtrail channel test new" in added


@pytest.mark.parametrize("bot", GUIDES)
def test_no_part_of_a_secret_is_ever_shown(desk: Desk, bot: str) -> None:
    desk.known["mail"] |= {"user": "mail-user", "password": "mail-password"}
    texts = [desk.add(bot)]
    screen = Console(file=io.StringIO(), width=200)
    channels.listing(desk.world, console=screen)

    texts.append(shown(screen))

    hidden = ("wecom-key-1", "dingtalk-token-1", "SEC0123456789", "feishu-key-1", "feishu-secret", "app-secret")
    assert not [one for one in (*hidden, "mail-password") for text in texts if one in text]


def test_a_channel_that_stands_as_wished_stays_untouched(desk: Desk) -> None:
    desk.add("wecom")
    desk.asked.clear()

    again = desk.add("wecom")

    assert again == "渠道 new 已存在，没有变化\n"
    assert desk.asked == []


def test_a_change_needs_to_be_said_and_leaves_the_secret(desk: Desk) -> None:
    desk.add("wecom")
    before = desk.stored()
    desk.known["wecom"] = {"url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=other"}

    with pytest.raises(InvalidInputError, match="--replace"):
        desk.add("wecom", team="huadong")
    desk.add("wecom", team="huadong", replace=True)

    assert desk.world.config.current().channels["new"].team == "huadong"
    assert desk.stored() == before


def test_a_new_secret_takes_the_place_of_the_old_one(desk: Desk) -> None:
    desk.add("wecom")
    desk.known["wecom"] = {"url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=other"}

    desk.add("wecom", renew=True)

    assert desk.stored() == [desk.known["wecom"]]


def test_a_name_that_is_taken_by_another_kind_is_refused(desk: Desk) -> None:
    desk.add("wecom")

    with pytest.raises(InvalidInputError, match="方式是 wecom"):
        desk.add("feishu", replace=True)


def test_quiet_hours_are_kept_and_listed(desk: Desk) -> None:
    desk.add("wecom", quiet=("21:00", "08:00"), excepted=("director",))
    screen = Console(file=io.StringIO(), width=200)

    channels.listing(desk.world, console=screen)

    assert "21:00–08:00" in shown(screen)
    assert desk.world.config.configured("channel", "new")["quiet"]["except"] == ["director"]  # type: ignore[index]


@pytest.mark.parametrize("content", ['{"url": "%s"}', "%s", "%s\n"], ids=["an object", "a bare text", "with a newline"])
def test_a_secret_may_come_from_a_file(desk: Desk, tmp_path: Path, content: str) -> None:
    file = tmp_path / "secret"
    file.write_text(content % desk.known["wecom"]["url"], "utf-8")

    desk.add("wecom", file=file)

    assert desk.asked == []
    assert desk.stored() == [desk.known["wecom"]]


@pytest.mark.parametrize(
    ("bot", "value", "field"),
    [
        ("wecom", {"url": "http://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=s3cr3t"}, "url"),
        ("wecom", {"url": "https://oapi.dingtalk.com/robot/send?access_token=s3cr3t"}, "url"),
        ("wecom", {"url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?token=s3cr3t"}, "url"),
        ("wecom", {"url": "https://[s3cr3t"}, "url"),
        ("wecom", {"url": "file:///cgi-bin/webhook/send?key=s3cr3t"}, "url"),
        ("dingtalk", {"url": "https://oapi.dingtalk.com/robot/send?token=s3cr3t"}, "url"),
        ("dingtalk", {"url": "https://oapi.dingtalk.com/robot/send?access_token=a", "secret": "s3cr3t"}, "secret"),
        ("feishu", {"url": "https://open.feishu.cn/open-apis/bot/v2/hook/s3cr3t/"}, "url"),
        ("wecom-app", {"corp_id": "1000002", "agent_id": "1000002", "secret": "s3cr3t"}, "corp_id"),
        ("wecom-app", {"corp_id": "wwcorporation1", "agent_id": "s3cr3t", "secret": "s3cr3t"}, "agent_id"),
        ("mail", {"from": "Leadtrail"}, "from"),
        ("mail", {"from": "a@example.com", "port": "465"}, "host"),
        ("mail", {"from": "a@example.com", "host": "smtp.example.com", "port": "70000"}, "port"),
        ("mail", {"from": "a@example.com", "host": "smtp.example.com", "user": "s3cr3t"}, "password"),
    ],
)
def test_a_secret_of_the_wrong_shape_is_refused_and_not_repeated(
    bot: str, value: Mapping[str, str], field: str
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        check_secret(bot, value)

    assert str(refusal.value).startswith(field)
    assert "s3cr3t" not in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "New Channel"}, "小写字母"),
        ({"bot": "pigeon"}, "wecom、dingtalk"),
        ({"team": "nobody"}, "没有 nobody 这个小组"),
        ({"audiences": ()}, "至少一个"),
        ({"audiences": ("customer",)}, "只能是 owner"),
        ({"audiences": ("team", "manager")}, "不能进团队的群"),
        ({"audiences": ("owner", "director")}, "不能进团队的群"),
        ({"bot": "mail", "audiences": ("team",)}, "发给个人"),
        ({"quiet": ("21", "08:00")}, "21:00"),
        ({"excepted": ("director",)}, "没有安静时段"),
    ],
)
def test_a_wish_that_cannot_be_is_refused(world: TestWorld, options: dict[str, Any], words: str) -> None:
    wish = Wish(**{"name": "new", "bot": "wecom", "audiences": ("owner",), **options})

    with pytest.raises(InvalidInputError, match=words):
        checked(wish, world.config.current())


def test_nothing_is_written_where_anything_is_wrong(desk: Desk) -> None:
    desk.known["dingtalk"]["secret"] = "keyword"

    with pytest.raises(InvalidInputError):
        desk.add("dingtalk")

    assert desk.stored() == []
    assert desk.world.config.configured("channel", "new") is None


@pytest.mark.parametrize(
    ("bot", "change", "words"),
    [
        ("wecom", {"url": "/wecom/cgi-bin/webhook/send?key=of-nobody"}, "重新复制 Webhook 地址"),
        ("dingtalk", {"secret": "SECwrong"}, "核对加签密钥"),
        ("feishu", {"secret": "wrong"}, "核对签名密钥"),
        ("feishu", {"url": "/feishu/open-apis/bot/v2/hook/of-nobody"}, "重新复制 Webhook 地址"),
        ("wecom-app", {"secret": "wrong"}, "Secret 不对"),
        ("wecom-app", {"agent_id": "7"}, "AgentId 不对"),
    ],
)
def test_a_refusal_says_what_to_mend(desk: Desk, bot: str, change: dict[str, str], words: str) -> None:
    change = {key: f"{desk.server.base}{text}" if text.startswith("/") else text for key, text in change.items()}
    desk.known[bot] |= change
    desk.add(bot)

    status, tried = desk.trial(TO.get(bot))

    assert status == 1
    assert tried.startswith("没有送达：")
    assert words in tried
    assert "稍后" not in tried
    assert desk.server.robots.inbox() == []


def test_somebody_whom_the_application_does_not_see_is_explained(desk: Desk) -> None:
    desk.add("wecom-app")

    _, tried = desk.trial("rep-li")

    assert "不在应用的可见范围内" in tried


def test_an_untrusted_address_is_explained(desk: Desk) -> None:
    desk.add("wecom-app")
    desk.server.robots.control({"untrusted": 1})

    _, tried = desk.trial("rep-zhang")

    assert "企业可信IP" in tried


def test_no_answer_is_not_called_a_failure(desk: Desk) -> None:
    desk.add("wecom")
    desk.server.robots.control({"ambiguous": 1})

    status, tried = desk.trial()

    assert status == 1
    assert "可能已经送达" in tried


@pytest.mark.parametrize("to", [None, "rep-nobody"])
def test_a_channel_to_persons_needs_one(desk: Desk, to: str | None) -> None:
    desk.add("wecom-app")

    with pytest.raises(InvalidInputError, match="--to"):
        desk.trial(to)


def test_a_channel_to_a_group_takes_none(desk: Desk) -> None:
    desk.add("wecom")

    with pytest.raises(InvalidInputError, match="不需要指定人"):
        desk.trial("rep-zhang")


@pytest.mark.parametrize(
    ("answer", "words", "is_good"),
    [
        (Sent(), "对方已收下", True),
        (Limited(timedelta(minutes=10, seconds=1)), "10分钟后", False),
        (Unanswered("TimeoutError"), "可能已经送达", False),
        (Failed("channel new: errcode 1"), "docs/channels.md，可以稍后再试", False),
    ],
)
def test_every_answer_has_its_words(answer: Answer, words: str, is_good: bool) -> None:
    text, good = said(answer)

    assert words in text
    assert good is is_good


def test_a_code_is_never_taken_for_a_longer_one() -> None:
    assert advice("channel new: errcode 400560") is None
    assert advice("channel new: errcode 40056") == ADVICE["errcode 40056"]
    assert advice("channel new has no secret") == ADVICE["has no secret"]


def test_the_command_line_adds_tries_and_lists(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret.json"
    file.write_text(json.dumps(desk.known["feishu"]), "utf-8")
    monkeypatch.setattr(main, "_world", lambda: desk.world)
    runs = [
        CliRunner().invoke(main.app, ["channel", *arguments])
        for arguments in (
            [
                "add",
                "new",
                "--bot",
                "feishu",
                "--audience",
                "team",
                "--team",
                "huanan",
                "--secret-from-file",
                str(file),
            ],
            ["test", "new"],
            ["list"],
            ["test", "nobody"],
        )
    ]

    assert [run.exit_code for run in runs] == [0, 0, 0, 1]
    assert "对方已收下" in runs[1].output
    assert "飞书" in runs[2].output
    assert "没有 nobody 这个渠道" in runs[3].output


@pytest.mark.parametrize("name", MORE_CHANNELS)
def test_the_demos_channels_are_what_the_console_would_write(world: TestWorld, name: str) -> None:
    body = MORE_CHANNELS[name]

    wished = checked(
        Wish(name, body["bot"], tuple(body["audiences"]), body["team"], body["name"]), world.config.current()
    )

    assert wished == {**body, "secret": f"channel/{name}"}
