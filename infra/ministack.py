"""The emulator of AWS as a process of ours: started, watched, kept on loopback, stopped without losing a write.

One process in a virtual environment of its own (functions run with its interpreter, so anything richer would hide what
a layer lacks). Its state rests under ``home/state``, what its workers unpack under ``home/work``, and its words in
``home/ministack.log``. It writes its state only when it is asked to end, so it gets a SIGTERM and then all the time it
wants:
286,000 items take 19 seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

DEFAULT_PORT = 4566
ROBOTS_DISTANCE = 14
REGION = "us-east-1"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 300.0
PROC = Path("/proc")
LISTENING = "0A"
PYTHON = Path(__file__).resolve().parent.parent / ".venv" / "ministack" / "bin" / "python"
COMMAND = (str(PYTHON), "-m", "ministack")


class LocalError(Exception):
    """The local mode cannot go on; the message is for the person at the terminal (zh-CN)."""


class PortTakenError(LocalError):
    """Somebody else listens on a port that the demo needs."""

    def __init__(self, port: int, variable: str) -> None:
        owner = _owner(port)
        by = f"（进程 {owner[0]}:{owner[1]}）" if owner else ""
        other = min(port + 34, 65535)
        super().__init__(f"端口 {port} 已被占用{by}。请先结束占用它的程序，或换一个端口：make demo {variable}={other}")
        self.port = port


class DiedError(LocalError):
    """The emulator ended by itself; the message carries the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the demo listens, all on 127.0.0.1."""

    aws: int = DEFAULT_PORT
    robots: int = DEFAULT_PORT + ROBOTS_DISTANCE


def ports(environment: Mapping[str, str]) -> Ports:
    """Read LEADTRAIL_PORT or PORT, and LEADTRAIL_ROBOTS_PORT or ROBOTS_PORT (else 14 above). Raises LocalError."""
    aws = _port(environment, ("LEADTRAIL_PORT", "PORT"), DEFAULT_PORT)
    return Ports(aws, _port(environment, ("LEADTRAIL_ROBOTS_PORT", "ROBOTS_PORT"), aws + ROBOTS_DISTANCE))


def _port(environment: Mapping[str, str], names: Sequence[str], default: int) -> int:
    name, text = next(((name, environment[name]) for name in names if environment.get(name)), (names[-1], str(default)))
    if not (text.isascii() and text.isdigit() and 1024 <= int(text) <= 65535):
        raise LocalError(f"{name}={text} 不是可用的端口：请给出 1024 到 65535 之间的数字")
    return int(text)


def claim(port: int, variable: str) -> None:
    """Raise PortTakenError unless ``127.0.0.1:port`` is free; ``variable`` is how the person chooses another."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTakenError(port, variable) from error


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening TCP socket: local address and port, and its inode in the socket table."""

    address: str
    port: int
    inode: str

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        address = ip_address(self.address)
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback


def listeners(proc: Path = PROC) -> list[Listener]:
    """Return every listening TCP socket of the machine, IPv4 and IPv6 (Linux; empty where there is no socket table)."""
    tables = (proc / "net/tcp", proc / "net/tcp6")
    rows = [row.split() for table in tables if table.exists() for row in table.read_text().splitlines()[1:]]
    return [Listener(*_address(row[1]), row[9]) for row in rows if row[3] == LISTENING]


def _address(field: str) -> tuple[str, int]:
    """Decode the kernel's ``0100007F:11D6``: words of 32 bits in the byte order of the host (little-endian)."""
    packed, port = field.split(":")
    words = [bytes.fromhex(packed[start : start + 8])[::-1] for start in range(0, len(packed), 8)]
    return str(ip_address(b"".join(words))), int(port, 16)


def family(pid: int, proc: Path = PROC) -> set[int]:
    """Return ``pid`` and all its descendants."""
    parents = dict(_parents(proc))
    members = {pid}
    while grown := {child for child, parent in parents.items() if parent in members} - members:
        members |= grown
    return members


def _parents(proc: Path) -> Iterator[tuple[int, int]]:
    for folder in proc.glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        yield int(folder.name), int(stat.rpartition(")")[2].split()[1])


def _inodes(pid: int, proc: Path) -> set[str]:
    """Return the sockets that ``pid`` holds; none when it has ended or is not ours to look at."""
    try:
        links = [_target(link) for link in (proc / str(pid) / "fd").iterdir()]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return set()
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""  # closed while we looked


def exposed(pid: int, proc: Path = PROC) -> list[Listener]:
    """Return what ``pid`` and its descendants listen on beyond loopback: must be empty."""
    own: set[str] = set().union(*(_inodes(member, proc) for member in family(pid, proc)))
    return [listener for listener in listeners(proc) if listener.inode in own and not listener.is_loopback]


def _owner(port: int) -> tuple[int, str] | None:
    inodes = {listener.inode for listener in listeners() if listener.port == port}
    for folder in PROC.glob("[0-9]*"):
        if inodes & _inodes(int(folder.name), PROC):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            return int(folder.name), command[:80]
    return None


class Ministack:
    """The emulator below ``home`` on ``127.0.0.1:port``; a context manager that starts and stops it.

    ``command`` is overridden by tests. Raises PortTakenError, DiedError and LocalError.
    """

    def __init__(self, home: Path, *, port: int, command: Sequence[str] = COMMAND) -> None:
        self._home = home.absolute()
        self._port = port
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The address of every AWS service."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def log(self) -> Path:
        """Where the emulator and the functions write."""
        return self._home / "ministack.log"

    def __enter__(self) -> Ministack:
        """Start, and wait until it answers."""
        self.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Stop, and wait until the data is written; when its own end caused ``error``, raise DiedError instead."""
        died = self._death()
        self.stop()
        if died is not None and isinstance(error, Exception) and not isinstance(error, DiedError):
            raise died from error

    def start(self) -> None:
        """Start the process and wait until it is ready; a start that fails leaves nothing running."""
        claim(self._port, "PORT")
        if not Path(self._command[0]).exists():
            raise LocalError(f"找不到 {self._command[0]}：请用 make demo 启动，它会先安装本地模拟环境")
        self._prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                self._command,
                cwd=self._home,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C at the terminal is ours to pass on, once
            )
        try:
            self._wait_until_ready()
            self.check_loopback()
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Raise DiedError when the process has ended."""
        died = self._death()
        if died is not None:
            raise died

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Ask the process to end, wait until its data is written, and end what is left of its workers."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise LocalError(
                f"本地 AWS 模拟进程 {process.pid} 在 {timeout_s:.0f} 秒内没有结束，数据可能未写完"
            ) from error
        finally:
            _end_group(process.pid)
            process.wait()
        shutil.rmtree(self._home / "work", ignore_errors=True)  # workers may be writing their last words there

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _death(self) -> DiedError | None:
        if self._process is None or (code := self._process.poll()) is None:
            return None
        return DiedError(f"本地 AWS 模拟进程已退出（代码 {code}）。日志 {self.log} 的末尾：\n{self.tail()}")

    def _prepare(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._home / "work", ignore_errors=True)  # workers leak 250 MB a run
        (self._home / "work").mkdir(exist_ok=True)
        self.log.write_bytes(b"")
        rewind_streams(self._home / "state")

    def _environment(self) -> dict[str, str]:
        """Return a small environment: the functions inherit it, and must see nothing of this machine's."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
        return kept | {
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "localhost",
            "GATEWAY_PORT": str(self._port),
            "MINISTACK_REGION": REGION,
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "1",
            "S3_PERSIST": "1",
            "STATE_DIR": str(self._home / "state"),
            "S3_DATA_DIR": str(self._home / "state" / "s3"),
            "TMPDIR": str(self._home / "work"),
            "LAMBDA_EXECUTOR": "local",
            "PYTHONUNBUFFERED": "1",
        }

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            self.check()
            if _answers(f"{self.endpoint}/_ministack/ready"):
                return
            time.sleep(0.1)
        raise LocalError(f"本地 AWS 模拟进程在 {START_TIMEOUT_S:.0f} 秒内没有就绪。日志末尾：\n{self.tail()}")

    def check_loopback(self) -> None:
        """Raise LocalError when the process or one of its workers can be reached from another machine."""
        if self._process is not None and (found := exposed(self._process.pid)):
            where = "、".join(f"{listener.address}:{listener.port}" for listener in found)
            raise LocalError(f"本地 AWS 模拟进程在 127.0.0.1 之外监听（{where}）")


def rewind_streams(state: Path) -> None:
    """Set every stream mapping back to record 0: streams start anew with the process, positions in them do not.

    Without this a mapping waits for a record number that the new stream reaches hours later, and is silently dead.
    Dropping the position instead would lose the first batch: LATEST is then taken after it was written.
    """
    file = state / "lambda.json"
    if not file.exists():
        return
    document = json.loads(file.read_text())
    positions = document["payload"]["dynamodb_stream_positions"]["data"]
    positions.update(dict.fromkeys(positions, 0))
    replacement = file.with_suffix(".new")
    replacement.write_text(json.dumps(document))
    replacement.replace(file)


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False  # not yet


def _end_group(group: int) -> None:
    """End the workers that outlived the emulator; they belong to its session."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return  # the usual case: they ended with it
