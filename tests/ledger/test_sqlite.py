"""What only the SQLite store can get wrong: its file, and a process that dies."""

import asyncio
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.ledger.making import ACCOUNT, Clock, call, fresh, outcome
from warren.settings import Complaint
from warren_ledger.store import KEEP
from warren_ledger.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

WRITER = """
import asyncio, sys
from tests.ledger.making import call, outcome
from warren_ledger.store.sqlite import SqliteStore

async def main():
    async with SqliteStore.open(sys.argv[1]) as store:
        while True:
            batch = [outcome(calls=(call(),)) for _ in range(4)]
            await store.put(batch)
            print(*(one.response_id for one in batch), flush=True)

asyncio.run(main())
"""


def written_until_killed(path: Path) -> list[str]:
    """What another process was told is on disk."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged: list[str] = []
    while len(acknowledged) < 400 and writer.poll() is None:
        acknowledged += writer.stdout.readline().split()
    writer.kill()
    return acknowledged + writer.communicate()[0].split()


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "warren.db"
    acknowledged = await asyncio.to_thread(written_until_killed, path)
    assert len(acknowledged) >= 400
    async with SqliteStore.open(path) as store:
        for id_ in acknowledged:
            assert await store.find(id_, ACCOUNT) is not None
            assert len(await store.calls(id_, ACCOUNT)) == 1


async def test_what_has_expired_is_removed(tmp_path: Path) -> None:
    path, clock = tmp_path / "warren.db", Clock()
    async with SqliteStore.open(path, now=clock, keep=timedelta(hours=1)) as store:
        await store.put([outcome(), outcome()])
        assert rows(store) == 2
        clock.ahead = 3601
        await store.put([outcome()])
        assert rows(store) == 1
    clock.ahead = KEEP.total_seconds()
    async with SqliteStore.open(path, now=clock) as store:
        assert rows(store) == 0


def rows(store: SqliteStore, table: str = "responses") -> int:
    (count,) = store._file._thread.submit(
        lambda: store._file.db.execute(f"SELECT count(*) FROM {table}").fetchone()
    ).result()
    return int(count)


async def test_two_processes_may_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "warren.db"
    async with SqliteStore.open(path) as one, SqliteStore.open(path) as other:
        id_ = fresh()
        rivals = [outcome(id_, attempt=str(number), calls=(call(),)) for number in range(40)]
        answers = await asyncio.gather(
            *((one if number % 2 else other).put([rival]) for number, rival in enumerate(rivals))
        )
        assert sum(answer.won for [answer] in answers) == 1
        assert len(await one.calls(id_, ACCOUNT)) == 40


async def test_deleted_content_is_not_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "warren.db"
    async with SqliteStore.open(path) as store:
        one = outcome(body=b'{"output":["a very secret answer"]}')
        await store.put([one])
        await store.delete(one.response_id, ACCOUNT)
    assert b"very secret" not in everything(tmp_path)


def everything(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


@pytest.mark.parametrize("content", [None, b"this is no database, not at all, and not one of ours either" * 20])
async def test_what_can_be_no_store_is_said_at_once(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "warren.db"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(Complaint, match="cannot be opened"):
        async with SqliteStore.open(path):
            pass


async def test_a_record_says_by_what_it_is_looked_up(tmp_path: Path) -> None:
    async with SqliteStore.open(tmp_path / "warren.db") as store:
        one = outcome().model_copy(update={"metadata": {"a": "1"}, "item_ids": ("msg_1",)})
        await store.put([one])
        tables = ("response_metadata", "response_items")
        assert [rows(store, table) for table in tables] == [1, 1]
        await store.delete(one.response_id, ACCOUNT)
        assert [rows(store, table) for table in tables] == [0, 0]


async def test_a_file_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "warren.db"
    with sqlite3.connect(path) as old:
        old.execute(
            "CREATE TABLE responses (response_id TEXT PRIMARY KEY, account TEXT NOT NULL, status TEXT NOT NULL,"
            " attempt TEXT NOT NULL, ended_at REAL, kept INTEGER, model TEXT, deployment TEXT, upstream_id TEXT,"
            " previous_response_id TEXT, created_at REAL, error TEXT, body BLOB, input BLOB, expires REAL NOT NULL)"
        )
        old.execute(
            "CREATE TABLE conversation_items (place INTEGER PRIMARY KEY AUTOINCREMENT, conversation_id TEXT NOT NULL,"
            " account TEXT NOT NULL, item_id TEXT NOT NULL, body BLOB NOT NULL)"
        )
    old.close()
    for _ in range(2):
        async with SqliteStore.open(path) as store:
            await store.put([one := outcome()])
            assert await store.find(one.response_id, ACCOUNT) is not None
