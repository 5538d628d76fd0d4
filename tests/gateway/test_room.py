"""Large bodies share the room there is."""

import pytest

from warren.errors import Overloaded
from warren_gateway.room import SMALL, Room


def test_a_body_that_grows_holds_its_size_until_its_request_is_over() -> None:
    room = Room(4 * SMALL)
    first: dict[str, object] = {}
    second: dict[str, object] = {}
    for size in (10, SMALL + 1, 3 * SMALL):
        room.hold(first, size)
    with pytest.raises(Overloaded) as caught:
        room.hold(second, 2 * SMALL)
    assert caught.value.retry_after
    room.release(second)
    with pytest.raises(Overloaded):
        room.hold(second, 2 * SMALL)
    room.release(first)
    room.hold(second, 4 * SMALL)


def test_small_bodies_are_not_counted() -> None:
    room = Room(0)
    room.hold({}, SMALL)
    with pytest.raises(Overloaded):
        room.hold({}, SMALL + 1)
