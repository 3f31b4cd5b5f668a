import json
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadtrail.domain import trail
from leadtrail.domain.instant import from_text
from leadtrail.domain.trail import GENESIS, Break, Event, Happening
from tests.builders import NINE, SALT, happening, sealed

# One sealed event, computed apart from this code: the contract by which a stranger checks a trail.
VECTOR_CANONICAL = (
    '{"actor":"source:standard","facts":{"source":"standard","stage":"新线索"},"kind":"lead.received",'
    '"lead_id":"01KAR3NDEKTSV4RRFFQ69G5FAV","occurred_at":"2026-11-23T01:00:00.000Z",'
    '"prev":"0000000000000000000000000000000000000000000000000000000000000000",'
    '"recorded_at":"2026-11-23T01:00:01.250Z","seq":1,'
    '"text_hash":"47c6e8bbf05536c22272e413f2ca213bf947c2402dbd53030b738b755ba54799","v":1}'
)
VECTOR_SEAL = "46d73d42575cbdac90752961a9654917c62d64afe3a381ec1d33acaeba627bc2"
VECTOR_TEXT_HASH = "47c6e8bbf05536c22272e413f2ca213bf947c2402dbd53030b738b755ba54799"

thrifty = settings(max_examples=50, deadline=None)
letters = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | letters,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(letters, inner, max_size=3),
    max_leaves=6,
)
instants = st.integers(0, 4 * 10**12).map(lambda ms: datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms))
happenings = st.builds(
    Happening,
    kind=st.sampled_from(["lead.received", "touch.recorded", "stage.changed"]),
    occurred_at=instants,
    actor=letters,
    facts=st.dictionaries(letters, values, max_size=4),
    text=st.none() | st.dictionaries(letters, letters, max_size=2),
)
trails = st.lists(happenings, min_size=2, max_size=6).map(sealed)


def vector() -> Event:
    [event] = trail.append(
        [
            Happening(
                "lead.received",
                from_text("2026-11-23T01:00:00.000Z"),
                "source:standard",
                {"source": "standard", "stage": "新线索"},
                {"note": "客户要求三月上线"},
            )
        ],
        lead_id="01KAR3NDEKTSV4RRFFQ69G5FAV",
        seq=0,
        head=GENESIS,
        recorded_at=from_text("2026-11-23T01:00:01.250Z"),
        salt=bytes.fromhex("000102030405060708090a0b0c0d0e0f"),
    )
    return event


def test_the_published_vector_is_sealed_byte_for_byte() -> None:
    event = vector()

    assert trail.canonical(trail.sealed_form(event)).decode() == VECTOR_CANONICAL
    assert (event.text_hash, event.seal) == (VECTOR_TEXT_HASH, VECTOR_SEAL)


def test_a_trail_can_be_checked_with_nothing_but_json_and_sha256() -> None:
    event = vector()

    plain = json.loads(VECTOR_CANONICAL)

    assert plain == {name: plain[name] for name in trail.sealed_form(event)}
    assert trail.canonical(plain).decode() == VECTOR_CANONICAL


@thrifty
@given(trails)
def test_any_trail_verifies(events: tuple[Event, ...]) -> None:
    assert trail.verify(events, salt=SALT) is None


@thrifty
@given(trails)
def test_erasing_texts_and_salt_leaves_a_trail_that_verifies(events: tuple[Event, ...]) -> None:
    erased = [replace(event, text=None, cipher=None) for event in events]

    assert trail.verify(erased) is None


CHANGES: dict[str, Any] = {
    "v": lambda value: value + 1,
    "lead_id": lambda value: value + "x",
    "seq": lambda value: value + 1,
    "kind": lambda value: value + ".",
    "occurred_at": lambda value: value + timedelta(milliseconds=1),
    "recorded_at": lambda value: value - timedelta(milliseconds=1),
    "actor": lambda value: value + "x",
    "facts": lambda value: {**value, "forged": True},
    "text_hash": lambda value: "0" * 64 if value is None else None,
    "prev": lambda value: value[::-1] + "0",
    "seal": lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"),
}


@pytest.mark.parametrize("field", CHANGES)
@settings(max_examples=15, deadline=None)
@given(trails, st.integers(0, 5))
def test_changing_any_sealed_field_of_any_event_names_that_event(
    field: str, events: tuple[Event, ...], place: int
) -> None:
    at = place % len(events)
    forged = list(events)
    forged[at] = replace(forged[at], **{field: CHANGES[field](getattr(forged[at], field))})

    broken = trail.verify(forged)

    assert broken is not None
    assert broken.seq == at + 1


@thrifty
@given(trails, st.integers(0, 5))
def test_facts_rewritten_with_a_fresh_seal_break_the_next_event(events: tuple[Event, ...], place: int) -> None:
    at = place % (len(events) - 1)
    rewritten = replace(events[at], facts={"forged": True})
    forged = [*events[:at], replace(rewritten, seal=trail.seal_of(rewritten)), *events[at + 1 :]]

    assert trail.verify(forged) == Break(at + 2, "与上一条事件的封印不衔接")


@thrifty
@given(trails, st.integers(0, 5))
def test_a_missing_event_is_named(events: tuple[Event, ...], place: int) -> None:
    at = place % (len(events) - 1)

    assert trail.verify([*events[:at], *events[at + 1 :]]) == Break(at + 1, "事件缺失")


@thrifty
@given(trails, st.integers(0, 5), st.integers(1, 5))
def test_two_swapped_events_are_found_at_the_first(events: tuple[Event, ...], place: int, distance: int) -> None:
    first = place % len(events)
    second = (first + distance) % len(events)
    swapped = list(events)
    swapped[first], swapped[second] = swapped[second], swapped[first]

    broken = trail.verify(swapped)

    assert (broken.seq if broken else None) == (min(first, second) + 1 if first != second else None)


@pytest.mark.parametrize(
    "facts",
    [{"rate": 0.5}, {"name": "\ud800"}, {"at": NINE}, None],
    ids=["a float", "a surrogate", "a date", "nothing"],
)
def test_facts_that_no_seal_could_hold_are_a_break_and_no_crash(facts: Any) -> None:
    events = sealed([happening(), happening(), happening()])
    forged = [events[0], replace(events[1], facts=facts), events[2]]

    assert trail.verify(forged) == Break(2, "内容与封印不符")


def test_a_changed_text_is_found_by_whoever_holds_the_salt() -> None:
    [event] = sealed([Happening("touch.recorded", NINE, "rep:li", {}, {"note": "客户要三套"})])
    forged = replace(event, text={"note": "客户要两套"})

    assert trail.verify([forged], salt=SALT) == Break(1, "文字与封印不符")
    assert trail.verify([forged]) is None


def test_both_spellings_of_an_accent_have_one_seal() -> None:
    composed, decomposed = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")

    seals = {sealed([happening(name=text)])[0].seal for text in (composed, decomposed)}
    hashes = {trail.text_hash({"note": text}, SALT) for text in (composed, decomposed)}

    assert composed != decomposed
    assert (len(seals), len(hashes)) == (1, 1)


def test_keys_sort_by_code_point_at_every_depth() -> None:
    assert trail.canonical({"b": [{"z": 1, "a": True}], "B": None, "中": -1}) == (
        '{"B":null,"b":[{"a":true,"z":1}],"中":-1}'.encode()
    )


def test_a_float_is_refused_before_it_is_sealed() -> None:
    with pytest.raises(TypeError):
        sealed([happening(rate=0.1)])


def test_a_whole_number_of_any_size_is_sealed_as_it_is() -> None:
    assert trail.canonical({"n": 10**400}) == b'{"n":1' + b"0" * 400 + b"}"


def test_an_empty_trail_has_no_break() -> None:
    assert trail.verify([]) is None
