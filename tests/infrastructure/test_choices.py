"""What a deployment may choose, and what is refused before anything is made."""

import json
from pathlib import Path

import pytest

from infra.choices import Choices
from infra.layers import Target
from tests.infrastructure.assembly import ROOT


def test_nothing_chosen_is_a_deployment_for_production() -> None:
    choices = Choices.from_mapping({"local": None, "runtime": ""})

    assert (choices.local, choices.allow_now, choices.python) == (False, False, (3, 13))
    assert choices.company_zone == "Asia/Shanghai"


@pytest.mark.parametrize(("text", "flag"), [("true", True), ("1", True), ("false", False), ("0", False), (True, True)])
def test_a_flag_may_be_text_of_the_command_line_or_json(text: object, flag: bool) -> None:
    assert Choices.from_mapping({"allow_now": text}).allow_now is flag


@pytest.mark.parametrize(
    "wrong",
    [
        {"runtime": "python3.11"},
        {"runtime": "nodejs24.x"},
        {"architecture": "arm64"},
        {"jwt_issuer": "https://sign-in.example"},
        {"layers": "some"},
        {"local": "maybe"},
        {"egress": "vpn"},
        {"egress": "nat", "local": "true"},
        {"wecom_api": "http://proxy.example"},
        {"mailer": "pigeon"},
        {"mailer": "ses"},
        {"mail_identity": "example.com"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_choice_that_would_fail_after_deployment_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"context .*{next(iter(wrong)).partition('_')[0]}"):
        Choices.from_mapping(wrong)


def test_a_layer_for_lambda_is_resolved_for_its_python_and_no_younger_c_library() -> None:
    options = Target((3, 13)).pip_options()

    assert options[-4:] == ["--python-version", "3.13", "--implementation", "cp"]
    assert options[:2] == ["--platform", "manylinux_2_34_x86_64"]
    assert Target.here().pip_options() == []


@pytest.mark.parametrize(
    "lock", sorted((ROOT / "layers").glob("*/requirements.txt")), ids=lambda lock: lock.parent.name
)
def test_a_lock_pins_and_hashes_everything_and_names_no_registry(lock: Path) -> None:
    text = lock.read_text()

    packages = [line for line in text.splitlines() if not line.startswith(" ")]

    assert all("==" in line and line.endswith("\\") for line in packages)
    assert "http" not in text
    assert "index" not in text


def test_the_command_line_for_deploying_is_pinned_to_one_that_reads_this_assembly() -> None:
    package = json.loads((ROOT / "package.json").read_text())

    assert package["devDependencies"] == {"aws-cdk": "2.1148.1"}
