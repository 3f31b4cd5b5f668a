"""Wording: a message's words, made from its facts at the moment of sending, so that no names rest in the outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from leadtrail.domain import clock as clocks_of
from leadtrail.domain import message
from leadtrail.domain.clock import Clock
from leadtrail.domain.company import Channel
from leadtrail.domain.identity import masked
from leadtrail.domain.instant import from_text
from leadtrail.domain.lead import RISK_TAGS, Lead
from leadtrail.domain.message import AlertWords, Line
from leadtrail.services import assigning, explaining, pacing, rerouting
from leadtrail.services.digest import Batch
from leadtrail.services.outgoing import Message
from leadtrail.services.ports import Configuration, OutboxRow, Person, Store

NO_NAME = "未留名"
NOBODY = "未分配"
EXPLAINED = 4  # lines of counted time that a chat message shows; the page behind the link shows all
Links = Callable[[Sequence[str], str], Sequence[str]]
"""Makes a link to each target (``alert:<lead>:<row>``, ``report:<id>``) for one recipient."""


@dataclass(frozen=True, slots=True)
class _Matter:
    """What a message speaks of, as it stands now."""

    lead: Lead | None
    person: Person | None
    clock: Clock | None

    @property
    def name(self) -> str:
        """The customer's name."""
        name = self.person.contact.name if self.person else ""
        return name if message.harmless(name) else NO_NAME  # a name of invisible letters alone is none

    @property
    def phone(self) -> str:
        """The customer's first number, masked."""
        phones = self.person.contact.phones if self.person else ()
        return masked(phones[0]) if phones else ""


class ChannelWords:
    """The words of one channel's messages: `services.outgoing.Words`.

    What `changed` has read of the leads is what the words are made of.
    """

    def __init__(self, channel: Channel, *, store: Store, config: Configuration, links: Links) -> None:
        self._channel, self._store, self._config, self._links = channel, store, config, links
        self._company = config.company()
        self._matters: dict[str, _Matter] = {}

    def changed(self, rows: Sequence[OutboxRow], now: datetime) -> Mapping[str, tuple[OutboxRow, ...]]:
        """Return, by row id, what must not go as it is: () for what is no longer true, or who is told instead."""
        self._matters = self._read([row for row in rows if "lead" in row.facts])
        changed: dict[str, tuple[OutboxRow, ...]] = {}
        for row in rows:
            matter = self._matters.get(row.id)
            if matter is None:
                continue
            if matter.lead is None or _is_moot(row, matter.lead, matter.clock):
                changed[row.id] = ()
            elif others := rerouting.to_owner(row, matter.lead, company=self._company, now=now):
                changed[row.id] = others
        return changed

    def message(self, batch: Batch, *, now: datetime) -> Message:
        """Return a batch in words, of a digest as many rows as its bytes hold."""
        if batch.is_digest:
            return self._digest(batch, now)
        row = batch.rows[0]
        text = self._single(row, self._link(batch.rows[:1])[0], now=now, is_repeat=batch.repeat)
        return Message(_title(text), text, batch.rows)

    def elsewhere(self, row: OutboxRow, now: datetime) -> tuple[OutboxRow, ...]:
        """Return what becomes of a row that cannot go this way: the next channel's rows, () when none is left."""
        matter = self._matters.get(row.id)
        return rerouting.elsewhere(row, matter.lead if matter else None, company=self._company, now=now)

    def _read(self, rows: Sequence[OutboxRow]) -> dict[str, _Matter]:
        if not rows:
            return {}
        if len(rows) == 1:
            lead, person = self._store.lead_and_person(rows[0].facts["lead"], rows[0].facts["person"])
            return {rows[0].id: _matter(rows[0], lead, person)}
        leads = self._store.leads(list(dict.fromkeys(row.facts["lead"] for row in rows)))
        people = self._store.persons(dict.fromkeys(row.facts["person"] for row in rows))
        return {row.id: _matter(row, leads.get(row.facts["lead"]), people.get(row.facts["person"])) for row in rows}

    def _link(self, rows: Sequence[OutboxRow]) -> Sequence[str]:
        """Return a link for each row, all for whoever reads the message."""
        to = rows[0].facts.get("to") if self._channel.is_personal else None
        return self._links([_target(row) for row in rows], f"rep:{to}" if to else f"channel:{self._channel.id}")

    def _digest(self, batch: Batch, now: datetime) -> Message:
        said = {_said(row): row for row in reversed(batch.rows)}  # the first row of each alert speaks for the others
        rows = [row for row in batch.rows if said[_said(row)] is row]
        links = self._link(rows)
        lines = [self._line(row, link, now) for row, link in zip(rows, links, strict=True)]
        text, count = message.digest(
            lines, more=batch.more, limit=pacing.limit_bytes(self._channel), is_repeat=batch.repeat
        )
        told = {_said(row) for row in rows[:count]}
        return Message(_title(text), text, tuple(row for row in batch.rows if _said(row) in told))

    def _line(self, row: OutboxRow, link: str, now: datetime) -> Line:
        matter = self._matters[row.id]
        owner = self._owner(matter.lead)
        if matter.clock is None:
            what, late = message.UNASSIGNED_TITLE, ""
        elif row.kind == "retraction":
            what, late = f"更正：{message.harmless(self._rule(matter.clock))}", self._truth(matter.clock)
        else:
            what = message.headline(row.facts["level"], row.facts["audience"], self._rule(matter.clock))
            late = self._late(matter.clock, _told_at(row, now))
        return Line(what, matter.name, owner, late, _alert_id(row), link)

    def _single(self, row: OutboxRow, link: str, *, now: datetime, is_repeat: bool) -> str:
        if row.kind == "report":
            return self._report(row, link)
        matter, limit = self._matters[row.id], pacing.limit_bytes(self._channel)
        if row.kind == "retraction" and matter.clock is not None:
            return message.correction(
                alert_ids=row.facts["alerts"],
                name=matter.name,
                phone=matter.phone,
                rule=self._rule(matter.clock),
                said=self._truth(matter.clock),
                link=link,
                limit=limit,
                is_repeat=is_repeat,
            )
        if matter.clock is None:
            return message.unassigned(
                alert_id=_alert_id(row),
                name=matter.name,
                phone=matter.phone,
                source=explaining.source_title(matter.lead.source, self._company) if matter.lead else "",
                link=link,
                limit=limit,
                is_repeat=is_repeat,
            )
        words = self._alert(row, matter, matter.clock, link, _told_at(row, now))
        return message.alert(words, limit=limit, is_repeat=is_repeat)

    def _alert(self, row: OutboxRow, matter: _Matter, clock: Clock, link: str, now: datetime) -> AlertWords:
        lines = explaining.explain(clock, config=self._config)
        return AlertWords(
            alert_id=row.facts["alert"],
            level=row.facts["level"],
            audience=row.facts["audience"],
            rule=self._rule(clock),
            name=matter.name,
            phone=matter.phone,
            owner=self._owner(matter.lead),
            stage=matter.lead.stage if matter.lead else "",
            due=self._local(clock, clock.due_at),
            late_by=explaining.overdue_words(clock, now, config=self._config) if clock.due_at <= now else "",
            budget=explaining.budget_words(clock, config=self._config),
            explain=lines if len(lines) <= EXPLAINED else [*lines[:2], f"……共{len(lines)}段", lines[-1]],
            estimated=clock.certainty == "estimated",
            link=link,
        )

    def _late(self, clock: Clock, now: datetime) -> str:
        if clock.due_at > now:
            return f"应于 {self._local(clock, clock.due_at)} 前完成"
        return f"超出{explaining.overdue_words(clock, now, config=self._config)}"

    def _truth(self, clock: Clock) -> str:
        """Return what is true of a clock whose breach was taken back."""
        if clock.met_at is not None:
            return f"已于 {self._local(clock, clock.met_at)} 按时完成（记录补传）"
        if clock.state == "cancelled":
            return "计时已取消"
        return f"时限已调整，应于 {self._local(clock, clock.due_at)} 前完成"

    def _rule(self, clock: Clock) -> str:
        return explaining.title(clock, config=self._config)

    def _local(self, clock: Clock, at: datetime) -> str:
        policy = self._config.policy(clock.policy, clock.policy_version)
        return explaining.local_words(at, self._config.calendar(policy).zone)

    def _owner(self, lead: Lead | None) -> str:
        rep = self._company.reps.get(lead.owner or "") if lead else None
        return rep.name if rep else NOBODY

    def _report(self, row: OutboxRow, link: str) -> str:
        team = self._company.teams.get(row.facts["team"])
        tags = [(tag, int(row.facts["tags"][tag])) for tag in RISK_TAGS]
        return message.report(team=team.name if team else row.facts["team"], day=row.facts["day"], tags=tags, link=link)


def _matter(row: OutboxRow, lead: Lead | None, person: Person | None) -> _Matter:
    known = lead is not None and row.facts["rule"] != assigning.UNASSIGNED
    return _Matter(lead, person, lead.clock(row.facts["rule"], row.facts["episode"]) if lead and known else None)


def _is_moot(row: OutboxRow, lead: Lead, clock: Clock | None) -> bool:
    """Tell whether nobody needs to hear it any more.

    A warning is moot once its clock was answered or ended; a breach once it was corrected or the lead was closed; a
    correction when the promise is broken after all.
    """
    if row.facts["rule"] == assigning.UNASSIGNED:
        return lead.owner is not None or not lead.is_open
    if clock is None:
        return True
    if row.kind == "retraction":
        return clock.state == "breached"
    if row.facts["level"] == clocks_of.WARNING:
        return clock.met_at is not None or clock.state in ("cancelled", "paused")
    return clock.state != "breached"


def _told_at(row: OutboxRow, now: datetime) -> datetime:
    """Return the time that an alert speaks of: a sweep that plays the future is late by the future's time."""
    return max(now, from_text(row.facts["at"]))


def _target(row: OutboxRow) -> str:
    return f"report:{row.facts['report']}" if row.kind == "report" else f"alert:{row.facts['lead']}:{row.id}"


def _alert_id(row: OutboxRow) -> str:
    return str(row.facts["alerts"][-1] if row.kind == "retraction" else row.facts["alert"])


def _said(row: OutboxRow) -> tuple[str, str]:
    return row.kind, _alert_id(row)


def _title(text: str) -> str:
    """Return a message's first line without its marks: a subject for mail, a title for a card."""
    first = text.splitlines()[0].removeprefix("### ")
    return first.split(">", 1)[1].removesuffix("</font>") if first.startswith("<font") else first
