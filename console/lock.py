"""`make lock`: newest versions within pyproject's bounds, with hashes and without a registry's address.

uv resolves for every platform and Python at once; what Lambda brings (boto3 and its kin) stays out of
the layers' locks. The registry is the one that this machine is set up with.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COMMON = ("--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate", "--quiet", "--upgrade")
IN_LAMBDA = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")
LAYERS = ("thirdparty", "speech")


def commands() -> list[list[str]]:
    """Return the resolutions, the development lock first: the layers are held to its versions."""
    uv = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "--python-version", "3.11", *COMMON]
    universal = [*uv, "--universal"]
    made = [
        [*universal, "pyproject.toml", "--group", "dev", "-o", "requirements/dev.lock"],
        [*universal, "requirements/local.in", "-o", "requirements/local.lock"],
    ]
    left_out = [option for name in IN_LAMBDA for option in ("--no-emit-package", name)]
    for layer in LAYERS:
        folder = f"layers/{layer}"
        files = [f"{folder}/requirements.in", "-c", "requirements/dev.lock", "-o", f"{folder}/requirements.txt"]
        made.append([*uv, *files, *left_out])
    return made


def main() -> int:
    """Resolve all; returns the exit status of the first that fails."""
    for command in commands():
        print(" ".join(command[1:]))
        done = subprocess.run(command, check=False)  # noqa: S603 - our own arguments
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
