"""What a table must hold after a storm, told as differences: none where every delivery took effect exactly once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from leadtrail.adapters.projection import lead_from_json
from leadtrail.adapters.table import LeadItem, Raw
from leadtrail.adapters.values import event_from_item, person_from_item, readable
from leadtrail.domain import lead as leads_of
from leadtrail.domain import trail
from leadtrail.domain.lead import Lead
from leadtrail.domain.trail import Event
from leadtrail.services.ports import Person
from tests.bench.storm import Plan


def items(client: Any, table: str) -> list[Raw]:
    """Return every item of a table."""
    pages = client.get_paginator("scan").paginate(TableName=table)
    return [item for page in pages for item in page["Items"]]


def differences(found: Iterable[Raw], planned: Plan) -> list[str]:
    """Return in words what is not as one delivery of each message would have left it."""
    return list(_Audit(found).differences(planned))


class _Audit:
    """A table's items, sorted by what they are."""

    def __init__(self, found: Iterable[Raw]) -> None:
        self.leads: dict[str, Lead] = {}
        self.events: dict[str, list[Event]] = defaultdict(list)
        self.persons: dict[str, Person] = {}
        self.receipts: dict[tuple[str, str], str] = {}
        self.kinds: Counter[str] = Counter()
        self.loads: dict[str, int] = {}
        self.turn = 0
        self.offers: list[str] = []
        for item in sorted(found, key=lambda item: (item["PK"]["S"], item["SK"]["S"])):
            self._sort(item, *item["PK"]["S"].split("#"), sort=item["SK"]["S"])

    def _sort(self, item: Raw, kind: str, *name: str, sort: str) -> None:
        self.kinds[f"{kind}/{sort.split('#', maxsplit=1)[0]}"] += 1
        match kind, sort:
            case "LEAD", "LEAD":
                self.leads[name[0]] = lead_from_json(LeadItem.from_raw_data(item).lead)
            case "LEAD", _ if sort.startswith("EVENT#"):
                self.events[name[0]].append(event_from_item(item))
            case "LEAD", "CLOCK#first_response#1":
                self.kinds["first-response clock"] += 1
            case "PERSON", "CONTACT":
                self.persons[name[0]] = person_from_item(item)
            case "IDENTITY", _:
                self.kinds[f"identity {name[0]}"] += 1
            case "RECEIPT", "RECEIPT":
                self.receipts[name[0], name[1]] = item["outcome"]["S"]
            case "REP", "LOAD":
                self.loads[name[0]] = int(item["open"]["N"])
            case "TEAM", "ROTATION":
                self.turn = int(item["turn"]["N"])
            case "OUTBOX", _ if name[0] == "@fetch":
                self.offers.append(item["facts"]["S"])

    def differences(self, planned: Plan) -> Iterator[str]:
        """Yield every difference."""
        yield from self._counted(planned)
        yield from self._received(planned)
        for lead_id, lead in self.leads.items():
            yield from self._trail(lead_id, lead)
        yield from self._turns()

    def _counted(self, planned: Plan) -> Iterator[str]:
        expected = {
            "leads": (planned.leads, len(self.leads)),
            "trails": (planned.leads, len(self.events)),
            "persons": (planned.leads, len(self.persons)),
            "phones": (planned.leads, self.kinds["identity phone"]),
            "first-response clocks": (planned.leads, self.kinds["first-response clock"]),
            "leads listed under a person": (planned.leads, self.kinds["PERSON/LEAD"]),
            "bodies": (len(planned.messages), self.kinds["RECEIPT/BODY"]),
            "offered recordings": (sum(each.offers_recording for each in planned.messages), len(self.offers)),
        }
        yield from (f"{name}: {are}, not {due}" for name, (due, are) in expected.items() if due != are)

    def _received(self, planned: Plan) -> Iterator[str]:
        due = {(message.source, message.receipt) for message in planned.messages}
        for source, key in sorted(due ^ set(self.receipts)):
            yield f"receipt {source} {key}: {'missing' if (source, key) in due else 'of no message'}"
        told = Counter(
            (event.kind, event.facts["receipt"])
            for events in self.events.values()
            for event in events
            if "receipt" in event.facts
        )
        yield from (f"{kind} of receipt {key}: {number} times" for (kind, key), number in told.items() if number > 1)
        named = {key for _, key in told}
        for (source, key), outcome in self.receipts.items():
            if outcome not in ("created", "merged"):
                yield f"receipt {source} {key}: {outcome}"
            elif key not in named:
                yield f"receipt {source} {key}: {outcome}, and on no trail"

    def _trail(self, lead_id: str, lead: Lead) -> Iterator[str]:
        person = self.persons.get(lead.person_id)
        events = [readable(event, person) for event in self.events[lead_id]]
        broken = trail.verify(events, salt=person.salt if person else None)
        if broken is not None:
            yield f"trail {lead_id}: broken at {broken.seq}"
        elif leads_of.fold(events) != lead:
            yield f"lead {lead_id}: not the fold of its trail"

    def _turns(self) -> Iterator[str]:
        held = Counter(lead.owner for lead in self.leads.values() if lead.owner and lead.is_open)
        if dict(held) != self.loads:
            yield f"loads: {self.loads}, not {dict(held)}"
        every = [event for events in self.events.values() for event in events]
        taken = sum(event.facts.get("by") == "rotation" for event in every if event.kind == "owner.assigned")
        if taken != self.turn:
            yield f"turn of the rotation: {self.turn}, and {taken} leads took one"
