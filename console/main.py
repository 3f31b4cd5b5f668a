"""`leadtrail …`: the operator's command line. Works on the running demo, or on AWS where TABLE_NAME is set."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from console import (
    calendars,
    channel_trial,
    channels,
    configuring,
    connection,
    exporting,
    handing_over,
    importing,
    lead_import,
    model,
    policies,
    replaying,
    set_aside,
    source_trial,
    sources,
    verifying,
)
from console.channel_wish import Wish as ChannelWish
from console.source_wish import Wish
from infra import local
from infra.ministack import LocalError
from leadtrail.domain.errors import LeadtrailError
from leadtrail.runtime.wiring import World

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Leadtrail 线索留痕：运维命令")
models = typer.Typer(no_args_is_help=True, help="语音识别模型")
app.add_typer(models, name="model")
leads = typer.Typer(no_args_is_help=True, help="线索名单：导入与导出")
app.add_typer(leads, name="leads")
source = typer.Typer(no_args_is_help=True, help="线索来源：添加、试发、更换密钥与列表")
app.add_typer(source, name="source")
policy = typer.Typer(no_args_is_help=True, help="时限规则：查看、试算、更新，以及让计时中的线索改用新版本")
app.add_typer(policy, name="policy")
aside = typer.Typer(no_args_is_help=True, help="三次唤醒失败而移出巡检的时限：列表与放回")
app.add_typer(aside, name="set-aside")
channel = typer.Typer(no_args_is_help=True, help="提醒渠道：添加、试发与列表")
app.add_typer(channel, name="channel")
calendar = typer.Typer(no_args_is_help=True, help="工作日历：节假日与调休")
app.add_typer(calendar, name="calendar")
MODELS = Path("layers/model")
MODEL_RECORD = Path("layers/speech/model.json")


@app.command()
def token(name: Annotated[str, typer.Argument(help="演示用户的登录名，例如 zhangsan")]) -> None:
    """打印演示用户的新登录凭证。"""
    try:
        stack = json.loads(connection.STACK.read_text("utf-8"))
        typer.echo(local.token(stack, name))
    except FileNotFoundError:
        _fail("演示没有在运行：请先运行 make demo")
    except LocalError as error:
        _fail(str(error))


@app.command()
def configure(
    file: Annotated[
        Path, typer.Argument(help="公司配置(TOML),例如 docs/examples/company.toml", exists=True, dir_okay=False)
    ],
) -> None:
    """写入公司配置：团队、人员、来源、机器人与时限规则；相同的内容不会重复写入。"""
    try:
        changed = configuring.run(file, _world())
    except LeadtrailError as error:
        _fail(str(error))
    for one in changed:
        typer.echo(f"{one.kind} {one.name}")
    typer.echo(f"写入 {len(changed)} 项" if changed else "没有变化")


@app.command("import")
def import_history(
    file: Annotated[Path, typer.Argument(help="事件历史：CSV,可用 gzip 压缩", exists=True, dir_okay=False)],
    mapping: Annotated[Path, typer.Option(help="字段与阶段的对应关系(TOML)", exists=True, dir_okay=False)],
    rejects: Annotated[Path | None, typer.Option(help="被拒行的去处，默认在文件旁")] = None,
) -> None:
    """把事件历史导入为线索留痕；可中断、可重复，重复导入不会增加任何内容。"""
    try:
        tally = importing.run(file, mapping, _world(), rejects=rejects)
    except (LeadtrailError, importing.ChangedCaseError) as error:
        _fail(str(error))
    if not tally.adds_up:
        _fail("导入、合并与被拒的行数之和与文件不符")


@app.command()
def verify(
    lead_id: Annotated[str | None, typer.Argument(help="线索编号")] = None,
    every: Annotated[bool, typer.Option("--all", help="核对全部线索")] = False,
) -> None:
    """重算封印并核对现状；发现第一处不符即指出。"""
    if (lead_id is None) != every:
        _fail("请给出一个线索编号，或用 --all 核对全部")
    raise typer.Exit(verifying.run(_world(), lead_id))


@app.command()
def reassign(
    leaver: Annotated[str | None, typer.Option("--from", help="离开的人的编号，例如 rep-lin")] = None,
    to: Annotated[str | None, typer.Option("--to", help="接手人的编号；不写则按团队的分配规则")] = None,
    reason: Annotated[str | None, typer.Option(help="原因，写入每条线索的留痕")] = None,
    unassigned: Annotated[bool, typer.Option("--unassigned", help="分配还没有负责人的线索")] = False,
    team: Annotated[str | None, typer.Option(help="只分配一个小组的：编号或名称")] = None,
) -> None:
    """有人离开：停用此人，并逐条移交名下未结束的线索；或用 --unassigned 分配还没有负责人的线索。可中断、可重复。"""
    if unassigned == (leaver is not None):
        _fail("请用 --from 指明离开的人，或用 --unassigned 分配还没有负责人的线索")
    if unassigned and (to is not None or reason is not None):
        _fail("--to 与 --reason 只能与 --from 同用")
    if team is not None and not unassigned:
        _fail("--team 只能与 --unassigned 同用")
    try:
        if leaver is None:
            status = handing_over.run_waiting(_world(), team=team)
        else:
            status = handing_over.run(_world(), leaver, to=to, reason=reason)
    except LeadtrailError as error:
        _fail(str(error))
    raise typer.Exit(status)


@leads.command("import")
def import_leads(
    file: Annotated[Path, typer.Argument(help="线索名单：CSV 或 XLSX", exists=True, dir_okay=False)],
    *,
    source: Annotated[str, typer.Option(help="记入哪个来源；没有则新建")] = "import",
    team: Annotated[str | None, typer.Option(help="小组的编号或名称；只有一个小组时不必写")] = None,
    sheet: Annotated[str | None, typer.Option(help="工作表，默认第一张")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--map", help="列=字段，例如 --map 备用号=电话")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="不再询问")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只预览，不写入")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="只导入正确的行")] = False,
) -> None:
    """导入线索名单：先预览，有一行错误则一行都不导入；重复导入不会增加任何内容。"""
    try:
        tally = lead_import.run(
            file,
            _world(),
            source=source,
            team=team,
            sheet=sheet,
            overrides=lead_import.overrides_of(overrides or ()),
            dry_run=dry_run,
            skip_bad=skip_bad,
            agreed=lambda rows: yes or typer.confirm(f"导入这 {rows:,} 行？"),
        )
    except LeadtrailError as error:
        _fail(str(error))
    if tally.refused and not tally.is_done:
        raise typer.Exit(1)


@leads.command("export")
def export_leads(
    out: Annotated[Path, typer.Option(help="写到哪个文件", dir_okay=False)],
    format_name: Annotated[str, typer.Option("--format", help="csv、xlsx 或 json（每行一个对象）")] = "csv",
    team: Annotated[str | None, typer.Option(help="只要一个小组：编号或名称")] = None,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="只要这一天起登记的")] = None,
    events: Annotated[bool, typer.Option("--events", help="连同每条线索的留痕事件")] = False,
) -> None:
    """导出全部线索，含明文联系方式；单元格里的公式不会被执行。"""
    day = since.date() if since else None
    try:
        exporting.run(out, _world(), format_name=format_name, team=team, since=day, with_events=events)
    except LeadtrailError as error:
        _fail(str(error))


@source.command("add")
def add_source(
    name: Annotated[str, typer.Argument(help="来源的名称，也是地址的一部分，例如 guanwang")],
    *,
    provider: Annotated[str, typer.Option(help="提供方，见 docs/sources.md")],
    team: Annotated[str, typer.Option(help="线索归哪个小组")],
    fields: Annotated[list[str] | None, typer.Option("--field", help="角色=字段，例如 phone=field_2")] = None,
    owner: Annotated[str | None, typer.Option(help="默认负责人的编号；不写则按小组的分配规则")] = None,
    allow_ips: Annotated[list[str] | None, typer.Option("--allow-ip", help="只接受这些网段（没有签名的来源）")] = None,
    hosts: Annotated[list[str] | None, typer.Option("--recording-host", help="录音从哪些主机获取")] = None,
    secret: Annotated[
        Path | None, typer.Option("--secret-from-file", help="从文件读取密钥，而不是询问", exists=True, dir_okay=False)
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="已有同名来源时改为现在的配置，密钥不变")] = False,
) -> None:
    """添加一个来源：写入配置与密钥，并列出要在对方后台填写的内容。"""
    wish = Wish(name, provider, team, tuple(fields or ()), owner, tuple(allow_ips or ()), tuple(hosts or ()))
    try:
        sources.add(wish, _world(), ask=_ask, file=secret, replace=replace)
    except LeadtrailError as error:
        _fail(str(error))


@source.command("test")
def try_source(
    name: Annotated[str, typer.Argument(help="来源的名称")],
    token: Annotated[str | None, typer.Option(help="地址末尾的令牌，或整个地址；不写则询问")] = None,
) -> None:
    """像提供方那样签名，向真实的地址发送一条测试线索。"""
    try:
        status = source_trial.run(name, _world(), token=token, ask=_ask)
    except LeadtrailError as error:
        _fail(str(error))
    raise typer.Exit(status)


@source.command("rotate")
def rotate_source(
    name: Annotated[str, typer.Argument(help="来源的名称")],
    secret: Annotated[
        Path | None, typer.Option("--secret-from-file", help="从文件读取新密钥", exists=True, dir_okay=False)
    ] = None,
    done: Annotated[bool, typer.Option("--done", help="对方已换好：旧密钥失效")] = False,
) -> None:
    """更换来源的密钥：新旧同时有效，直到 --done。"""
    try:
        if done:
            sources.finish(name, _world())
        else:
            sources.rotate(name, _world(), ask=_ask, file=secret)
    except LeadtrailError as error:
        _fail(str(error))


@source.command("list")
def list_sources() -> None:
    """列出来源：提供方、小组、地址与有效密钥的个数。"""
    try:
        sources.listing(_world())
    except LeadtrailError as error:
        _fail(str(error))


@policy.command("list")
def list_policies() -> None:
    """列出时限规则：版本、次序、条件与各项时限。"""
    policies.listing(_world())


@policy.command("show")
def show_policy(name: Annotated[str, typer.Argument(help="规则的名称，例如 default")]) -> None:
    """打印一套规则的现行内容(JSON)。"""
    try:
        typer.echo(policies.show(name, _world()))
    except LeadtrailError as error:
        _fail(str(error))


@policy.command("put")
def put_policy(
    file: Annotated[Path, typer.Argument(help="规则文件：TOML 或 JSON", exists=True, dir_okay=False)],
    name: Annotated[str | None, typer.Option(help="规则的名称；不写则取文件名")] = None,
) -> None:
    """写入一套规则的新版本，用于此后开始的计时；相同的内容不会重复写入。"""
    try:
        policies.put(file, _world(), name=name)
    except LeadtrailError as error:
        _fail(str(error))


@policy.command("preview")
def preview_policy(
    file: Annotated[Path, typer.Argument(help="规则文件：TOML 或 JSON", exists=True, dir_okay=False)],
    name: Annotated[str | None, typer.Option(help="规则的名称；不写则取文件名")] = None,
) -> None:
    """试算：若计时中的线索改用这个文件，明天谁会超时；不写入任何内容。"""
    try:
        policies.preview(file, _world(), name=name)
    except LeadtrailError as error:
        _fail(str(error))


@policy.command("rebase")
def rebase_policy(name: Annotated[str, typer.Argument(help="规则的名称，例如 default")]) -> None:
    """让计时中的线索改用规则的新版本；可中断、可重复。"""
    try:
        status = policies.rebase(name, _world())
    except LeadtrailError as error:
        _fail(str(error))
    raise typer.Exit(status)


@policy.command("schema")
def policy_schema() -> None:
    """打印规则的 JSON Schema。"""
    typer.echo(policies.schema(), nl=False)


@channel.command("add")
def add_channel(
    name: Annotated[str, typer.Argument(help="渠道的名称，例如 huadong-group")],
    *,
    bot: Annotated[str, typer.Option(help="wecom、dingtalk、feishu、wecom-app 或 mail，见 docs/channels.md")],
    audiences: Annotated[list[str], typer.Option("--audience", help="谁看：owner、manager、director、team，可多次")],
    team: Annotated[str | None, typer.Option(help="只给一个小组；不写则给全公司")] = None,
    title: Annotated[str, typer.Option("--title", help="给人看的名称，例如 华东一组群机器人")] = "",
    quiet: Annotated[tuple[str, str] | None, typer.Option(help="安静时段，例如 --quiet 21:00 08:00")] = None,
    excepted: Annotated[list[str] | None, typer.Option("--quiet-except", help="安静时段也说的受众、规则或人")] = None,
    secret: Annotated[
        Path | None, typer.Option("--secret-from-file", help="从文件读取密钥，而不是询问", exists=True, dir_okay=False)
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="已有同名渠道时改为现在的配置，密钥不变")] = False,
    renew: Annotated[bool, typer.Option("--new-secret", help="重新填写密钥")] = False,
) -> None:
    """添加一个提醒渠道：写入配置与密钥；密钥用询问或文件给出，不会显示。"""
    wish = ChannelWish(name, bot, tuple(audiences), team, title, quiet, tuple(excepted or ()))
    try:
        channels.add(wish, _world(), ask=_ask, file=secret, replace=replace, renew=renew)
    except LeadtrailError as error:
        _fail(str(error))


@channel.command("test")
def try_channel(
    name: Annotated[str, typer.Argument(help="渠道的名称")],
    to: Annotated[str | None, typer.Option(help="发给谁：人员的编号（应用消息与邮件）")] = None,
) -> None:
    """发送一条测试消息，并说明对方的回答与要修正之处。"""
    try:
        status = channel_trial.run(name, _world(), to=to)
    except LeadtrailError as error:
        _fail(str(error))
    raise typer.Exit(status)


@channel.command("list")
def list_channels() -> None:
    """列出提醒渠道：方式、受众、小组、安静时段，以及有没有密钥。"""
    try:
        channels.listing(_world())
    except LeadtrailError as error:
        _fail(str(error))


@app.command()
def replay(
    name: Annotated[str | None, typer.Option("--source", help="来源的名称")] = None,
    since: Annotated[str | None, typer.Option(help="从何时起，例如 2026-11-01 或 2026-11-01T09:00")] = None,
    only_parked: Annotated[bool, typer.Option("--parked", help="只重放搁置的")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只试算，不写入")] = False,
) -> None:
    """把已收到的投递按现在的解析与配置再处理一遍，只写入不同之处；可重复。"""
    try:
        tally = replaying.run(_world(), source=name, since=since, only_parked=only_parked, dry_run=dry_run)
    except LeadtrailError as error:
        _fail(str(error))
    raise typer.Exit(tally.status)


@app.command()
def parked(name: Annotated[str | None, typer.Option("--source", help="来源的名称")] = None) -> None:
    """列出没有成为线索的投递及其原因。"""
    try:
        replaying.parked(_world(), source=name)
    except LeadtrailError as error:
        _fail(str(error))


@app.command()
def rejected(name: Annotated[str | None, typer.Option("--source", help="来源的名称")] = None) -> None:
    """列出被拒绝的投递的样本：只有结构，没有内容，保留七天。"""
    try:
        replaying.rejected(_world(), source=name)
    except LeadtrailError as error:
        _fail(str(error))


@calendar.command("check")
def check_calendar(
    year: Annotated[int | None, typer.Option(help="列出哪一年的日子，默认今年", min=2000, max=2100)] = None,
) -> None:
    """核对工作日历：哪些年份已公布，节假日与调休怎样计算，有多少时钟在推算；60 天内缺年份时以 1 退出。"""
    try:
        status = calendars.run(_world(), year=year)
    except LeadtrailError as error:
        _fail(str(error))
    raise typer.Exit(status)


@aside.command("list")
def list_set_aside() -> None:
    """列出移出巡检的时限：线索、时限、何时移出与原因。"""
    set_aside.listing(_world())


@aside.command("release")
def release_set_aside(
    lead_id: Annotated[str | None, typer.Argument(help="线索编号")] = None,
    every: Annotated[bool, typer.Option("--all", help="放回全部")] = False,
) -> None:
    """修复之后放回巡检：下一分钟即唤醒。"""
    if (lead_id is None) != every:
        _fail("请给出一个线索编号，或用 --all 放回全部")
    try:
        set_aside.release(_world(), lead_id=lead_id)
    except LeadtrailError as error:
        _fail(str(error))


@models.command("fetch")
def fetch_model(
    url: Annotated[str, typer.Option(help="模型压缩包的地址")] = model.MODEL_URL,
) -> None:
    """下载中文小模型，记录并从此核对其 SHA-256,解压到层目录。"""
    try:
        fetched = model.fetch(url, MODELS, MODEL_RECORD)
    except model.ModelFetchError as error:
        _fail(str(error))
    typer.echo(f"{fetched.path}  sha256 {fetched.sha256}")


def _ask(question: str) -> str:
    """Ask for a secret, which is not shown as it is typed."""
    said: str = typer.prompt(question, hide_input=True, default="", show_default=False)
    return said


def _world() -> World:
    try:
        return connection.connect(os.environ)
    except connection.NotConnectedError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
