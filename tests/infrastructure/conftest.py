"""Two syntheses for the whole session: the one for AWS, judged by cdk-nag, and the one of the local mode."""

import pytest

from tests.infrastructure.assembly import Assembly, synthesize


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesize(tmp_path_factory.mktemp("deployed"), "--nag")


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    choices = ["local=true", "allow_now=1", "api_id=leadtrail", "public_base_url=http://127.0.0.1:1", "model_path=/m"]
    options = [option for choice in choices for option in ("-c", choice)]
    return synthesize(tmp_path_factory.mktemp("local"), *options)
