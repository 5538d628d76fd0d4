"""Three brokers that are one, and three databases that are one: what production has, on one machine."""

import time
from pathlib import Path
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.rig.mongod import Mongod
from tests.rig.rabbitmq import RabbitMQ

_SET = "warren"


class RabbitCluster:
    """Three nodes of RabbitMQ."""

    def __init__(self) -> None:
        first = RabbitMQ()
        self.nodes = [first, RabbitMQ(beside=first), RabbitMQ(beside=first)]

    def __enter__(self) -> Self:
        for node in self.nodes:
            node.start()
        running = self.nodes[0].ctl("eval", "length(rabbit_nodes:all_running()).")
        assert int(running) == len(self.nodes), "they have not found each other"
        return self

    def __exit__(self, *_: object) -> None:
        for node in reversed(self.nodes):
            node.stop()

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"amqp://guest:guest@{places}/"

    def leaders(self, asked: RabbitMQ) -> dict[str, str]:
        """By the name of a replicated queue, the name of the node that leads it; as one of the nodes tells."""
        rows = [row.split("\t") for row in asked.ctl("list_queues", "name", "leader", "--silent").splitlines()]
        return {name: leader for name, leader in rows if leader}


class ReplicaSet:
    """Three members of a replica set. Reads and writes go to its primary."""

    def __init__(self, data: Path | None = None) -> None:
        """With `data`, of which its members are copies, it goes on where that stood."""
        self.members = [Mongod("--replSet", _SET, data=data) for _ in range(3)]

    def __enter__(self) -> Self:
        for member in self.members:
            member.start()
        members = [{"_id": at, "host": f"127.0.0.1:{member.port}"} for at, member in enumerate(self.members)]
        with _client(self.members[0]) as client:
            client.admin.command("replSetInitiate", {"_id": _SET, "members": members})
        self.primary()
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.stop()

    def url(self, database: str) -> str:
        places = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        return f"mongodb://{places}/{database}?replicaSet={_SET}"

    def primary(self, timeout: float = 60) -> Mongod:
        """The member that takes writes, as soon as there is one."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for member in self.members:
                if self._state(member).get("isWritablePrimary"):
                    return member
            time.sleep(0.1)
        raise RuntimeError("The replica set has no primary.")

    def secondary(self) -> Mongod:
        primary = self.primary()
        return next(member for member in self.members if member is not primary)

    def _state(self, member: Mongod) -> dict[str, Any]:
        try:
            with _client(member) as client:
                told: dict[str, Any] = client.admin.command("hello")
        except PyMongoError:
            return {}
        return told


def _client(member: Mongod) -> "MongoClient[dict[str, Any]]":
    """To this member alone, whatever it is in its set."""
    return MongoClient(member.url, directConnection=True, serverSelectionTimeoutMS=1000, timeoutMS=5000)
