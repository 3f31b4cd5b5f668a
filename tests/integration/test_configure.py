from pathlib import Path

import pytest

from console import configuring
from leadtrail.domain.errors import InvalidInputError
from tests.integration.conftest import NINE, TestWorld

EXAMPLE = Path(__file__).parent.parent.parent / "docs/examples/company.toml"


def test_the_example_company_is_written_once(world: TestWorld) -> None:
    first = configuring.run(EXAMPLE, world)

    again = configuring.run(EXAMPLE, world)

    company = world.config.current()
    assert {one.kind for one in first} == set(configuring.KINDS)
    assert again == []
    assert company.rotation("north")[0].name == "林一"
    assert company.channel_for("director", "north") is not None
    assert [rule.name for rule in company.policies["default"].rules] == [
        "first_response",
        "second_touch",
        "no_progress",
    ]


WRONG = {
    "pipeline.sales.stages": ('"已成交", "已流失"', '"已成交", "已成交"'),
    "rep.rep-lin.role": ('role = "rep"', 'role = "king"'),
    "rep.rep-lin.team": ('team = "north"          #', 'team = "south"          #'),
    "channel.managers.bot": ('bot = "dingtalk"', 'bot = "pigeon"'),
    "company.zone": ('zone = "Asia/Shanghai"', 'zone = "Mars/Base"'),
    "rules[0].budget": ('budget = "PT2H"', 'budget = "soon"'),
    "source.standard": ('provider = "standard"', 'supplier = "standard"'),
    "holiday": ("[company]", "[holiday]"),
}


@pytest.mark.parametrize(("place", "change"), WRONG.items(), ids=WRONG.keys())
def test_a_mistake_is_named_and_nothing_is_written(
    world: TestWorld, tmp_path: Path, place: str, change: tuple[str, str]
) -> None:
    text = EXAMPLE.read_text("utf-8")
    assert change[0] in text
    file = tmp_path / "company.toml"
    file.write_text(text.replace(*change), "utf-8")

    with pytest.raises(InvalidInputError) as refused:
        configuring.run(file, world)

    assert refused.value.facts["field"] == place
    assert "north" not in world.config.current().teams
    assert configuring.read(EXAMPLE, now=NINE)
