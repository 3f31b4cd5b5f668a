from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadtrail.domain.ids import instant_of, is_id, new_id

instants = st.integers(0, 4 * 10**12).map(lambda ms: datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms))


def test_the_example_of_the_specification_has_its_time() -> None:
    # 01ARYZ6S41 stands for 1469918176385 in the reference implementation's README.
    made = new_id(datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=1469918176385), entropy=0)

    assert made == "01ARYZ6S41" + "0" * 16


@given(instants, instants)
def test_ids_sort_as_their_milliseconds(first: datetime, second: datetime) -> None:
    assert (new_id(first, 0) < new_id(second, 0)) == (first < second)


@given(instants)
def test_an_id_carries_its_millisecond(at: datetime) -> None:
    made = new_id(at)

    assert is_id(made)
    assert instant_of(made) == at


def test_two_ids_of_one_instant_differ() -> None:
    at = datetime(2026, 1, 26, tzinfo=UTC)

    assert len({new_id(at) for _ in range(200)}) == 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "01KAR3NDEKTSV4RRFFQ69G5FA",
        "01KAR3NDEKTSV4RRFFQ69G5FAV\n",
        "81KAR3NDEKTSV4RRFFQ69G5FAV",
        "01kar3ndektsv4rrffq69g5fav",
        "01KAR3NDEKTSV4RRFFQ69G5FAI",
        "０1KAR3NDEKTSV4RRFFQ69G5FAV",
        "../../etc/passwd",
    ],
)
def test_what_is_no_ulid_is_told_apart(text: str) -> None:
    assert not is_id(text)
