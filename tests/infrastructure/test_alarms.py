"""Alarms: each reaches a person, each has its entry in the runbook, and silence of the sweep is one."""

import re
from collections.abc import Iterator

import pytest

from leadtrail.adapters import hubspot, wecom_token
from tests.infrastructure.assembly import FUNCTIONS, QUEUES, ROOT, Assembly, Properties, kind_of, referred

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()


def names(assembly: Assembly) -> Iterator[str]:
    return (one["AlarmName"] for one in assembly.resources("AWS::CloudWatch::Alarm").values())


def test_every_alarm_has_an_entry_in_the_runbook_and_every_entry_an_alarm(deployed: Assembly) -> None:
    entries = set(re.findall(r"^### `([\w-]+)`$", RUNBOOK, re.MULTILINE))

    kinds = {kind_of(name) for name in names(deployed)}

    assert kinds == entries


def test_every_alarm_goes_to_the_mail_topic_and_says_where_to_read(deployed: Assembly) -> None:
    [topic] = deployed.resources("AWS::SNS::Topic")

    for alarm in deployed.resources("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == [{"Ref": topic}]
        assert alarm["AlarmDescription"] == f"docs/runbook.md#{kind_of(alarm['AlarmName'])}"


def alarm(assembly: Assembly, name: str) -> Properties:
    alarms = assembly.resources("AWS::CloudWatch::Alarm").values()
    [found] = [one for one in alarms if one["AlarmName"] == f"Leadtrail-{name}"]
    return found


def test_a_backlog_of_the_sweep_rings_after_ten_minutes(deployed: Assembly) -> None:
    lag = alarm(deployed, "sweep-lag")

    assert (lag["MetricName"], lag["Statistic"], lag["Threshold"]) == ("SweepLagSeconds", "Maximum", 10 * 60)
    assert lag["ComparisonOperator"] == "GreaterThanThreshold"


def test_a_lead_that_was_set_aside_rings_until_it_is_released(deployed: Assembly) -> None:
    aside = alarm(deployed, "set-aside")

    # A count of how many there are, not of how many were added: the next minute says the same.
    assert (aside["MetricName"], aside["Statistic"], aside["Threshold"]) == ("LeadsSetAside", "Maximum", 0)
    assert (aside["Period"], aside["EvaluationPeriods"], aside["TreatMissingData"]) == (60, 1, "notBreaching")


@pytest.mark.parametrize("bot", ["wecom", "dingtalk", "feishu", "wecom-app", "mail", "none"])
def test_every_kind_of_robot_that_refuses_for_good_rings(deployed: Assembly, bot: str) -> None:
    refused = alarm(deployed, f"robot-refused-{bot}")

    assert refused["Dimensions"] == [{"Name": "bot", "Value": bot}]


@pytest.mark.parametrize("kind", ["sweep-silent", "sweep-lag", "daily-silent"])
def test_silence_is_failure(deployed: Assembly, kind: str) -> None:
    watched = alarm(deployed, kind)

    assert watched["TreatMissingData"] == "breaching"


def test_a_delivery_that_waits_for_a_quarter_of_an_hour_rings_tried_or_not(deployed: Assembly) -> None:
    age, waiting = alarm(deployed, "deliveries-age"), alarm(deployed, "deliveries-waiting")

    queues = {referred(one["Dimensions"][0]["Value"]) for one in (age, waiting)}

    assert [name.startswith("DeliveriesQueue") for name in queues] == [True]
    assert (age["MetricName"], age["Threshold"]) == ("ApproximateAgeOfOldestMessage", 15 * 60)
    assert (waiting["MetricName"], waiting["Statistic"]) == ("ApproximateNumberOfMessagesNotVisible", "Minimum")
    assert (waiting["Threshold"], waiting["Period"] * waiting["EvaluationPeriods"]) == (0, 15 * 60)


def test_every_reason_for_which_a_provider_refuses_us_rings(deployed: Assembly) -> None:
    code = "".join(file.read_text() for file in (ROOT / "layers/core/python/leadtrail").rglob("*.py"))
    said = set(re.findall(r'ProviderRefusedError\("([\w-]+)"\)', code))

    reasons = said | set(wecom_token.REFUSED.values()) | set(hubspot.REFUSED.values())

    heard = {name.partition("enrichment-refused-")[2] for name in names(deployed)} - {""}
    assert heard == reasons


def test_every_function_and_every_queue_of_dead_letters_is_watched(deployed: Assembly) -> None:
    found = set(names(deployed))

    wanted = {f"Leadtrail-{kind}-{name}" for kind in ("errors", "throttles", "slow") for name in FUNCTIONS}
    called = ("sweep", "dispatch", "recount", "replay", "daily")
    letters = {f"Leadtrail-dead-letters-{name}" for name in (*called, *QUEUES)}

    assert wanted | letters <= found


def test_every_metric_of_ours_that_an_alarm_waits_for_is_written_with_just_its_dimensions(deployed: Assembly) -> None:
    written = {
        (name, tuple(re.findall(r"(\w+)=", rest)))
        for file in (ROOT / "functions").rglob("*.py")
        for name, rest in re.findall(r'\bcount\("(\w+)"(.*)\)$', file.read_text(), re.MULTILINE)
    }

    awaited = {
        (one["MetricName"], tuple(dimension["Name"] for dimension in one.get("Dimensions", [])))
        for one in deployed.resources("AWS::CloudWatch::Alarm").values()
        if one["Namespace"] == "Leads"
    }

    assert awaited <= written


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_runbook_explains_every_environment_variable(deployed: Assembly, local: Assembly, name: str) -> None:
    told = [one.function(name)["Environment"]["Variables"] for one in (deployed, local)]

    unexplained = {variable for one in told for variable in one if f"| `{variable}` |" not in RUNBOOK}

    assert unexplained == set()
