"""`python -m infra.app`: the template and its assets into `cdk.out`, without the CDK's command line and without Docker.

`-c name=value` chooses as in `infra/choices.py`; `--nag` lets cdk-nag judge the template and fails on a finding without
a written reason. Run by `cdk`, it takes context and output folder from there.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra import node

node.choose()  # aws_cdk starts Node when it is imported

import aws_cdk as cdk  # noqa: E402 - after the choice of Node above
import cdk_nag  # noqa: E402 - the same: it imports aws_cdk

from infra.stack import Leadtrail  # noqa: E402 - the same

ROOT = Path(__file__).resolve().parent.parent
NAME = "Leadtrail"


def app(context: Mapping[str, Any], *, outdir: Path | None = None, nag: bool = False) -> cdk.App:
    """Return the app, not yet synthesized.

    Args:
        context: choices beyond those of `cdk.json`; they win over it.
        outdir: where the assembly goes; None means where `cdk` says.
        nag: let cdk-nag judge it when it is synthesized.
    """
    defaults = json.loads((ROOT / "cdk.json").read_text())["context"]
    made = cdk.App(context={**defaults, **context}, outdir=str(outdir) if outdir else None, analytics_reporting=False)
    # Without the rule the template has no parameter, and needs no look into the account before it is deployed.
    synthesizer = cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False)
    Leadtrail(made, NAME, synthesizer=synthesizer, description="Leadtrail: leads, clocks, evidence")
    if nag:
        cdk.Validations.of(made).add_plugins(cdk_nag.AwsSolutionsChecks(made))
    return made


def synthesize(context: Mapping[str, Any], *, outdir: Path, nag: bool = False) -> Path:
    """Write the assembly into `outdir` and return it; with `nag`, a finding without a reason raises."""
    return Path(app(context, outdir=outdir, nag=nag).synth().directory)


def main(arguments: list[str] | None = None) -> int:
    """Synthesize as the command line says and print where to."""
    parser = argparse.ArgumentParser(prog="python -m infra.app", description=__doc__)
    parser.add_argument("-c", "--context", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--output", type=Path, default=Path(os.environ.get("CDK_OUTDIR", ROOT / "cdk.out")))
    parser.add_argument("--nag", action="store_true")
    options = parser.parse_args(arguments)
    context = dict(pair.partition("=")[::2] for pair in options.context)
    sys.stdout.write(f"{synthesize(context, outdir=options.output, nag=options.nag)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
