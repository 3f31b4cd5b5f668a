"""`leadtrail …`: the operator's command line. Works on the running demo, or on AWS where TABLE_NAME is set."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from console import configuring, connection, importing, model, verifying
from infra import local
from infra.ministack import LocalError
from leadtrail.domain.errors import LeadtrailError
from leadtrail.runtime.wiring import World

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Leadtrail 线索留痕：运维命令")
models = typer.Typer(no_args_is_help=True, help="语音识别模型")
app.add_typer(models, name="model")
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
