"""The schema of policies says what the reader does, and stands in docs/ as it is."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from console import policies
from console.company import DEFAULT_POLICY
from leadtrail.domain import calendar_input, policy, policy_input, policy_schema, rule_input
from tests.builders import NINE, policy_body, rule
from tests.json_schema import fits
from tests.unit.test_policy import BAD

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = policy_schema.document()
# What only reading can tell: one thing beside another, or what the world knows.
BEYOND_A_SCHEMA = {
    "a calendar that is never open",
    "a zone that is nowhere",
    "overlapping segments",
    "a night shift into the next day's morning",
    "the last night of the week into its first morning",
    "overlapping special hours",
    "a day of work and of rest",
    "an end before its beginning",
    "a last year before the first",
    "a date that does not exist",
    "the same rule twice",
    "a budget of nothing",
    "a budget of a year",
    "a budget of 365 days",
    "a budget beyond time",
    "business time in days",
    "working days in hours",
    "no working day",
    "too many working days",
    "two levels at one time",
    "two levels at once at the breach",
    "a pool listed last, and reached first",
    "a level a year later",
    "a pool that is not the last level",
    "nothing but a pool",
    "a pause of nothing",
    "a pause beyond a year",
    "a pause of too many hours",
    "a title that turns around",
    "an amount from more to less",
}


def examples() -> dict[str, Any]:
    """Every body that tests or documents show as good."""
    company = tomllib.loads((DOCS / "examples" / "company.toml").read_text("utf-8"))
    shown = re.findall(r"^```json\n(.*?)^```$", (DOCS / "policies.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return {
        "the brief's": DEFAULT_POLICY,
        "the builders'": policy_body(),
        "with everything": policy_body(
            when={"source": ["wecom", "typeform"], "team": "huadong", "amount": {"min": 1}, "tag": "重点"},
            order=3,
            leave="pause",
            rules=[
                rule(
                    title="方案后拜访",
                    starts="stage.entered:方案 确认",
                    meets=["touch:visit", "stage:商务谈判"],
                    warn_at=None,
                    levels=[{"after": "PT0S", "to": "team", "any_hour": True}, {"after": "P1D", "to": "pool"}],
                    pause=None,
                ),
                rule(name="again", starts="touch.every", measure="natural", budget="P30D", pause={"cap": "PT48H"}),
            ],
        ),
        **{f"of the company file: {name}": body for name, body in company["policy"].items()},
        **{f"of the page, number {number}": json.loads(text) for number, text in enumerate(shown, start=1)},
    }


@pytest.mark.parametrize("name", examples())
def test_what_is_read_is_also_what_the_schema_describes(name: str) -> None:
    body = examples()[name]

    read = policy.parse("default" if "when" not in body else "special", 1, NINE, body)

    assert read.rules
    assert fits(SCHEMA, body)


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused_the_schema_refuses_too_unless_only_reading_can_tell(name: str) -> None:
    body, _ = BAD[name]

    assert fits(SCHEMA, body) is (name in BEYOND_A_SCHEMA)


def test_the_committed_schema_is_the_one_that_the_command_prints() -> None:
    assert (DOCS / "policy.schema.json").read_text("utf-8") == policies.schema(), "run: leadtrail policy schema"


def test_every_field_that_is_read_is_described_and_no_other() -> None:
    of_rule = SCHEMA["properties"]["rules"]["items"]
    of_level = of_rule["properties"]["levels"]["items"]
    of_calendar = SCHEMA["properties"]["calendar"]

    assert set(SCHEMA["properties"]) == set(policy_input.FIELDS)
    assert set(SCHEMA["properties"]["when"]["anyOf"][0]["properties"]) == set(policy_input.CONDITIONS)
    assert set(of_calendar["properties"]) == calendar_input.FIELDS
    assert set(of_rule["properties"]) == set(rule_input.FIELDS)
    assert set(of_level["properties"]) == set(rule_input.LEVEL_FIELDS)


def test_every_field_is_on_the_page_about_policies() -> None:
    page = (DOCS / "policies.md").read_text("utf-8")
    fields = {*policy_input.FIELDS, *policy_input.CONDITIONS, *rule_input.FIELDS, *rule_input.LEVEL_FIELDS}

    unsaid = {field for field in fields | calendar_input.FIELDS if f"`{field}`" not in page}

    assert unsaid == set()
