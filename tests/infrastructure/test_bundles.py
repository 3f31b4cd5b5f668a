"""What is shipped works where it runs: entries import from asset and layers alone, libraries find their C library."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infrastructure.assembly import FUNCTIONS, Assembly

LAMBDA_BRINGS = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
LIMIT_BYTES = 250 * 1024 * 1024
"""Of a function with all its layers, unpacked."""
MODEL_BYTES = 75 * 1000 * 1000
"""What the small Chinese model may take; it unpacks to about 66 MB."""


@pytest.fixture(scope="module")
def lambda_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages that Lambda's Python has by itself, and no other."""
    folder = tmp_path_factory.mktemp("lambda")
    for name in LAMBDA_BRINGS:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin)
        package = source.parent if source.name == "__init__.py" else source
        (folder / package.name).symlink_to(package)
    return folder


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_entry_imports_with_nothing_but_its_asset_and_its_layers(
    local: Assembly, lambda_packages: Path, name: str
) -> None:
    module = local.function(name)["Handler"].removesuffix(".handler")
    layers = [str(layer / "python") for layer in local.layers_of(name)]
    path = [str(local.code_of(name)), *layers, str(lambda_packages)]
    program = f"import sys; sys.path += {path!r}; import {module}; assert callable({module}.handler)"

    # -I -S: neither this folder nor this environment's packages; and no settings, since importing reads none.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_bundle_holds_its_own_folder_and_no_other(deployed: Assembly, name: str) -> None:
    folder = deployed.function(name)["Handler"].split(".")[1]

    found = {path.relative_to(deployed.code_of(name)).as_posix() for path in deployed.code_of(name).glob("*/*")}

    assert found == {"functions/__init__.py", f"functions/{folder}"}


def test_no_shared_object_wants_a_younger_c_library_than_lambda_has(deployed: Assembly) -> None:
    wanted = {
        file.name: max((int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", file.read_bytes())), default=0)
        for file in shared_objects(deployed)
    }

    assert len(wanted) > 20
    assert {name: minor for name, minor in wanted.items() if minor > 34} == {}


def test_every_extension_module_is_built_for_the_python_of_lambda(deployed: Assembly) -> None:
    tags = {match[1] for file in shared_objects(deployed) if (match := re.search(r"\.cpython-(\w+)-(\w+)", file.name))}
    machines = {file.read_bytes()[18:20] for file in shared_objects(deployed)}

    assert tags == {"313"}
    assert machines == {b"\x3e\x00"}  # e_machine of the ELF header: x86-64


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_with_its_layers_stays_below_the_limit_of_lambda(deployed: Assembly, name: str) -> None:
    size = sum(bytes_of(folder) for folder in [deployed.code_of(name), *deployed.layers_of(name)])

    room = MODEL_BYTES if name == "recording" else 0

    assert size + room < LIMIT_BYTES


def test_layers_carry_no_tests_and_no_bytecode_of_another_python(deployed: Assembly) -> None:
    other = f"cpython-{sys.version_info.major}{sys.version_info.minor}"

    leftovers = [
        path
        for layer in deployed.layer_folders()
        for path in layer.rglob("*")
        if path.name == "tests" or (path.suffix == ".pyc" and other != "cpython-313")
    ]

    assert leftovers == []


def shared_objects(assembly: Assembly) -> list[Path]:
    return [path for layer in assembly.layer_folders() for path in layer.rglob("*.so*") if path.is_file()]


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
