"""Lambda layers from hashed locks, by plain pip: no Docker, no build host like Lambda's.

For AWS, pip resolves wheels of the Lambda's Python and C library, whatever this machine runs. For the local stand-in,
which runs functions with its own interpreter, it takes the same pinned versions for the Python at hand. A built layer
is kept under `build/layers` by the hash of all that it depends on, so that the second synthesis needs no network.
"""

import compileall
import hashlib
import py_compile
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "build" / "layers"
RECIPE = "3"
"""Part of each layer's hash: raise it when the steps below change what comes out."""

LAMBDA_PLATFORMS = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux2014_x86_64")
"""Python 3.12 and later stand on Amazon Linux 2023 with glibc 2.34; pip wants each older tag by name."""

WITHOUT_WHEEL = ("srt",)
"""Pure Python that is published as source only (vosk imports it): pip makes the wheel, the same for every target."""

UNUSED_AT_RUN_TIME = ("*.pyi", "*.pyx", "*.pxd", "*.h", "*.hpp", "*.c", "*.a")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a layer runs: the Python version as `(3, 13)`, and the wheel tags, none of which means this machine's."""

    python: tuple[int, ...]
    platforms: tuple[str, ...] = LAMBDA_PLATFORMS

    @classmethod
    def here(cls) -> "Target":
        """This interpreter on this machine."""
        return cls(python=sys.version_info[:2], platforms=())

    @property
    def name(self) -> str:
        """What tells one target from another, as part of a layer's hash."""
        version = ".".join(map(str, self.python))
        return f"{version} {' '.join(self.platforms) or sysconfig.get_platform()}"

    def pip_options(self) -> list[str]:
        """The options by which pip resolves for this target instead of for itself."""
        if not self.platforms:
            return []
        platforms = [option for platform in self.platforms for option in ("--platform", platform)]
        return [*platforms, "--python-version", ".".join(map(str, self.python)), "--implementation", "cp"]


def build(name: str, target: Target, *, root: Path = ROOT, built: Path = BUILT) -> Path:
    """Return the folder of layer `name`, installing it first if this lock was not yet built for this target.

    Args:
        name: folder under `layers/` that holds a `requirements.txt` with hashes.
        target: where the layer will run.
        root: the project.
        built: where finished layers are kept.

    Raises:
        subprocess.CalledProcessError: pip found no fitting wheel, or a hash differs; pip's own words are on stderr.
    """
    lock = root / "layers" / name / "requirements.txt"
    key = hashlib.sha256(f"{RECIPE}\n{target.name}\n{lock.read_text()}".encode()).hexdigest()[:12]
    layer = built / f"{name}-{key}"
    if not layer.exists():
        built.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=built) as unfinished:
            packages = Path(unfinished, "layer", "python")
            _install(lock, target, packages)
            _strip(packages)
            _compile(packages, target)
            _publish(packages.parent, layer)
    return layer


def _install(lock: Path, target: Target, into: Path) -> None:
    options = ["--target", str(into), "--requirement", str(lock), *target.pip_options()]
    wheels = ["--only-binary=:all:", *(f"--no-binary={name}" for name in WITHOUT_WHEEL)]
    strict = ["--require-hashes", "--no-deps", "--no-compile", *wheels]
    quiet = ["-qq", "--no-input", "--disable-pip-version-check", "--no-warn-script-location"]
    command = [sys.executable, "-m", "pip", "install", *quiet, *strict, *options]
    subprocess.run(command, check=True)  # noqa: S603 - our own interpreter, with arguments from this file


def _strip(packages: Path) -> None:
    """Remove what no function imports: type stubs, C sources, the libraries' own tests and commands."""
    for folder in [packages / "bin", *packages.rglob("tests")]:
        if folder.is_dir():  # not when it lay inside another one
            shutil.rmtree(folder)
    for file in [path for pattern in UNUSED_AT_RUN_TIME for path in packages.rglob(pattern)]:
        file.unlink()


def _compile(packages: Path, target: Target) -> None:
    """Ship bytecode when this interpreter writes the target's; importing boto3's DynamoDB client then takes a third."""
    if target.python != sys.version_info[:2]:
        return
    # Times of files do not survive the way to Lambda, so bytecode must not be checked against them.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(packages, quiet=2, stripdir=str(packages.parent), invalidation_mode=mode):
        raise RuntimeError(f"a module under {packages} does not compile")


def _publish(unfinished: Path, layer: Path) -> None:
    try:
        unfinished.rename(layer)
    except OSError:  # another process was faster; its result is the same
        if not layer.exists():
            raise


def shared_objects(layer: Path) -> Iterator[Path]:
    """The native libraries of a layer, which have to find their symbols in the C library of Lambda."""
    return (path for path in layer.rglob("*.so*") if path.is_file())
