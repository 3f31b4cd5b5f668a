"""Mail (`mailer`): SES only as the identity that was chosen, SMTP only through its two doors, else neither."""

import json
from pathlib import Path

from tests.infrastructure.assembly import FUNCTIONS, Assembly, pairs, synthesize, texts

FIXED = ("-c", "egress=nat", "-c", "layers=none")


def ports(assembly: Assembly) -> list[int]:
    [group] = assembly.resources("AWS::EC2::SecurityGroup").values()
    return [one["FromPort"] for one in group["SecurityGroupEgress"]]


def test_without_the_choice_nobody_may_send_mail(deployed: Assembly) -> None:
    assert "ses:" not in json.dumps(deployed.template)


def test_with_ses_dispatch_alone_may_send_and_as_one_identity_alone(tmp_path: Path) -> None:
    chosen = synthesize(tmp_path, *FIXED, "-c", "mailer=ses", "-c", "mail_identity=example.com")

    allowed = {
        name: [one for one in chosen.statements(name) if any(text.startswith("ses:") for text in pairs(one["Action"]))]
        for name in FUNCTIONS
    }

    [statement] = allowed.pop("dispatch")
    assert not any(allowed.values())
    assert statement["Action"] == "ses:SendEmail"
    assert "".join(texts(statement["Resource"])).endswith(":identity/example.com")
    assert ports(chosen) == [443]


def test_with_smtp_the_fixed_address_leads_to_mail_servers_and_nothing_else(tmp_path: Path) -> None:
    chosen = synthesize(tmp_path, *FIXED, "-c", "mailer=smtp")

    assert ports(chosen) == [443, 465, 587]
    assert "ses:" not in json.dumps(chosen.template)
