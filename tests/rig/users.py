"""Users of least privilege at a broker of the tests, in a virtual host of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.rig.rabbitmq import RabbitMQ, user
from warren.bus.permissions import definitions


@dataclass(frozen=True)
class Users:
    broker: RabbitMQ
    vhost: str

    def url(self, name: str) -> str:
        return f"amqp://{name}:secret%20of%20{name}@127.0.0.1:{self.broker.port}/{self.vhost}"


@contextmanager
def users(broker: RabbitMQ, vhost: str, *providers: str) -> Iterator[Users]:
    """All that there are: a worker for all providers, and one for each of these."""
    made = [definitions(names, vhost=vhost) for names in ((), providers)]
    permissions = {one["user"]: one for each in made for one in each["permissions"]}
    topics = {one["user"]: one for each in made for one in each["topic_permissions"]}
    broker.define({
        "vhosts": [{"name": vhost}],
        "users": [user(name, f"secret of {name}") for name in permissions],
        "permissions": [*permissions.values()],
        "topic_permissions": [*topics.values()],
    })  # fmt: skip
    yield Users(broker, vhost)
    broker.ctl("delete_vhost", vhost)
