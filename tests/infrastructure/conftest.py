"""Three syntheses for the whole session: for AWS, without and with a fixed address, judged by cdk-nag; and local."""

import pytest

from tests.infrastructure.assembly import Assembly, synthesize


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesize(tmp_path_factory.mktemp("deployed"), "--nag")


@pytest.fixture(scope="session")
def with_address(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesize(tmp_path_factory.mktemp("with-address"), "--nag", "-c", "egress=nat", "-c", "layers=none")


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    choices = [
        "local=true", "allow_now=1", "api_id=leadtrail", "public_base_url=http://127.0.0.1:1", "model_path=/m",
        "wecom_api=http://127.0.0.1:2/wecom",
    ]  # fmt: skip
    options = [option for choice in choices for option in ("-c", choice)]
    return synthesize(tmp_path_factory.mktemp("local"), *options)
