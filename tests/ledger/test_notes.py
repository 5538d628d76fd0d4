"""The contract of notes in the store: every test runs against both."""

import asyncio

import pytest

from tests.ledger.making import Clock
from warren_ledger.store import Store
from warren_ledger.store.notes import Note

pytestmark = pytest.mark.anyio


def note(clock: Clock, version: str, *, name: str = "a", body: bytes = b"1", seconds: float = 60) -> Note:
    return Note(name, version, body, clock() + seconds)


async def test_a_note_is_made_once_and_changed_by_who_knows_it(store: Store, clock: Clock) -> None:
    first, second = note(clock, "v1"), note(clock, "v2", body=b"2")
    assert await store.notes.find("a") is None
    assert await store.notes.replace(first, None)
    assert not await store.notes.replace(note(clock, "v9"), None)
    assert await store.notes.find("a") == first
    assert not await store.notes.replace(second, "v9")
    assert await store.notes.replace(second, "v1")
    assert not await store.notes.replace(note(clock, "v3"), "v1")
    assert await store.notes.find("a") == second


async def test_what_is_tried_again_has_been_done(store: Store, clock: Clock) -> None:
    first, second = note(clock, "v1"), note(clock, "v2")
    assert [await store.notes.replace(first, None) for _ in range(2)] == [True, True]
    assert [await store.notes.replace(second, "v1") for _ in range(2)] == [True, True]
    assert not await store.notes.replace(first, None)


async def test_a_note_goes_in_its_time_and_its_version_with_it(store: Store, clock: Clock) -> None:
    assert await store.notes.replace(note(clock, "v1", seconds=10), None)
    clock.ahead = 11
    assert await store.notes.find("a") is None
    assert await store.notes.named("") == []
    assert not await store.notes.replace(note(clock, "v2"), "v1")
    assert await store.notes.replace(note(clock, "v3"), None)
    assert (await store.notes.named("a"))[0].version == "v3"


async def test_notes_are_found_by_how_their_names_begin(store: Store, clock: Clock) -> None:
    for name in ("x:2", "x:ü", "x:1", "x", "y:1", "x;1"):
        assert await store.notes.replace(note(clock, name, name=name), None)
    assert [one.name for one in await store.notes.named("x:")] == ["x:1", "x:2", "x:ü"]


async def test_of_many_who_write_at_once_one_does(store: Store, clock: Clock) -> None:
    made = await asyncio.gather(*(store.notes.replace(note(clock, f"v{number}"), None) for number in range(20)))
    assert sum(made) == 1
    (first,) = await store.notes.named("a")
    changed = await asyncio.gather(*(store.notes.replace(note(clock, f"w{n}"), first.version) for n in range(20)))
    assert sum(changed) == 1
