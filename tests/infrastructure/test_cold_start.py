"""What the entries that must start fast load, asked of a fresh process; how long it takes is for `make bench`."""

import json

import pytest

from tests.bench import cold_start

ASK = """
import json, sys
sys.path += {path!r}
{program}
print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}} - sys.stdlib_module_names)))
"""
OURS = {"functions", "leadtrail"}
BOTO3 = {"boto3", "botocore", "certifi", "dateutil", "jmespath", "s3transfer", "six", "urllib3"}
LIGHT = {"aws_lambda_powertools", "pynamodb", "typing_extensions"}
PYTHON = {"__main__", "__mp_main__"}


@pytest.mark.parametrize("entry", ["webhook", "sweep"])
def test_an_entry_loads_boto3_the_logger_the_table_and_our_core_and_nothing_else(entry: str) -> None:
    program = ASK.format(path=cold_start.search_path(), program=cold_start.PROGRAMS[entry])

    loaded = {name for name in json.loads(cold_start.run(program)) if not name.startswith("_sysconfigdata")}

    assert loaded - PYTHON == OURS | BOTO3 | LIGHT


@pytest.mark.parametrize("entry", ["webhook", "sweep"])
def test_an_entry_loads_no_other_client_than_that_of_dynamodb(entry: str) -> None:
    program = "\n".join(
        [
            "import sys",
            f"sys.path += {cold_start.search_path()!r}",
            "import botocore.client",
            "made, create = [], botocore.client.ClientCreator.create_client",
            "def noted(self, service_name, *rest, **more):",
            "    made.append(service_name)",
            "    return create(self, service_name, *rest, **more)",
            "botocore.client.ClientCreator.create_client = noted",
            cold_start.PROGRAMS[entry],
            "print(*made)",
        ]
    )

    made = cold_start.run(program).split()

    assert made == ["dynamodb"]
