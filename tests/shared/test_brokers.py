"""One URL, and the nodes that it names."""

import pytest

from warren.brokers import nodes, place


@pytest.mark.parametrize(
    ("url", "each"),
    [
        ("amqp://host", ["amqp://host"]),
        ("amqp://u:p@host:5673/v", ["amqp://u:p@host:5673/v"]),
        ("amqp://u:p@one,two:5673/", ["amqp://u:p@one/", "amqp://u:p@two:5673/"]),
        ("amqp://u:p%40@one:1, two:2", ["amqp://u:p%40@one:1", "amqp://u:p%40@two:2"]),
        (
            "amqps://u:p,q@[::1]:5671,two/v%2Fw?cafile=/ca.pem",
            ["amqps://u:p,q@[::1]:5671/v%2Fw?cafile=/ca.pem", "amqps://u:p,q@two/v%2Fw?cafile=/ca.pem"],
        ),
    ],
)
def test_each_node_has_a_url(url: str, each: list[str]) -> None:
    assert nodes(url) == each


@pytest.mark.parametrize(
    "url",
    ["", "host:5672", "http://host", "amqp://", "amqp://u:p@one,,two/", "amqp://one,/", "amqp://one:x", "amqp://one:0",
     "amqp://one:70000"],
)  # fmt: skip
def test_what_names_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="amqp://"):
        nodes(url)


@pytest.mark.parametrize(
    ("url", "named"),
    [("amqp://u:p@host", "host:5672"), ("amqps://u:p@host/v", "host:5671"), ("amqp://u:p@host:1", "host:1")],
)
def test_a_place_is_told_without_the_password(url: str, named: str) -> None:
    assert place(url) == named
