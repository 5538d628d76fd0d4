"""The commands that are clients, as a user's shell runs them."""

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.conftest import MODEL
from tests.rig.services import KEY
from tests.rig.upstream import FakeProvider
from warren import Client

WARREN = str(Path(sys.executable).with_name("warren"))


@pytest.fixture
def at(gateway: str) -> dict[str, str]:
    """The environment of a shell that knows the gateway."""
    return {**os.environ, "WARREN_BASE_URL": gateway, "WARREN_API_KEY": KEY}


@pytest.fixture
def known(gateway: str) -> Iterator[Client]:
    with Client(gateway, KEY) as client:
        yield client


def warren(*arguments: str, env: dict[str, str], say: str = "", code: int = 0) -> "subprocess.CompletedProcess[str]":
    ended = subprocess.run(
        [WARREN, *arguments], env=env, input=say, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == code, ended.stderr
    return ended


def test_every_command_tells_its_flags(at: dict[str, str]) -> None:
    for command in (["up"], ["chat"], ["tail"], *(["responses", verb] for verb in ("get", "list", "delete", "cancel"))):
        told = warren(*command, "--help", env=at)
        assert told.stdout.startswith(f"usage: warren {' '.join(command)}")
        assert told.stdout.count("--") > 3
    for command in ([], ["--help"], ["responses"], ["responses", "--help"]):
        assert warren(*command, env=at).stdout.startswith("usage: warren")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["responses", "get"], "the following arguments are required: ID"),
        (["responses", "list", "--limit", "0"], "--limit: Input should be greater than or equal to 1"),
        (["responses", "dance"], "there is no command 'dance'"),
        (["tail"], "the following arguments are required: ID"),
        (["chat", "--nothing"], "unrecognized arguments: --nothing"),
    ],
)
def test_what_cannot_be_understood_is_code_2(arguments: list[str], said: str, at: dict[str, str]) -> None:
    assert said in warren(*arguments, env=at, code=2).stderr


def test_responses_are_shown_listed_and_deleted(at: dict[str, str], known: Client) -> None:
    made = known.responses("hello", MODEL)
    shown = warren("responses", "get", made.id, env=at).stdout.splitlines()
    assert shown[0].startswith(made.id)
    assert "completed" in shown[0]
    assert shown[1] == "You said: hello"
    assert json.loads(warren("responses", "get", made.id, "--json", env=at).stdout) == made.to_dict()
    listed = warren("responses", "list", "--limit", "1", "--json", env=at).stdout.splitlines()
    assert [json.loads(one)["id"] for one in listed] == [made.id]
    assert made.id in warren("responses", "list", "--model", MODEL, env=at).stdout
    assert warren("responses", "delete", made.id, env=at).stdout == f"{made.id} is deleted\n"
    gone = warren("responses", "get", made.id, env=at, code=1)
    assert gone.stderr == f"warren responses get: Response with id '{made.id}' not found.\n"


def test_a_response_is_cancelled(at: dict[str, str], known: Client) -> None:
    made = known.responses("hello", "words-400-50", background=True)
    assert "cancelled" in warren("responses", "cancel", made.id, env=at).stdout
    told = warren("tail", made.id, env=at, code=1)
    assert "cannot be streamed" in told.stderr


def test_a_wrong_key_and_a_gateway_that_is_not_there(at: dict[str, str]) -> None:
    told = warren("responses", "list", "--api-key", "wrong", env=at, code=1)
    assert told.stderr == "warren responses list: Incorrect API key provided. (invalid_api_key)\n"
    told = warren("responses", "list", "--base-url", "http://127.0.0.1:9", env=at, code=1)
    assert "http://127.0.0.1:9 cannot be reached" in told.stderr
    assert len(told.stderr.splitlines()) == 1


def background(known: Client, model: str = "words-40-50") -> str:
    with known.responses("hello", model, background=True, stream=True) as stream:
        event = next(stream)
    assert event.type == "response.created"
    return event.response.id


def test_what_runs_in_the_background_is_followed_to_its_end(at: dict[str, str], known: Client) -> None:
    id_ = background(known)
    told = warren("tail", id_, env=at)
    assert told.stdout.strip() == known.get_responses(id_).output_text.strip()
    events = [json.loads(one) for one in warren("tail", id_, "--json", env=at).stdout.splitlines()]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    rest = [json.loads(one) for one in warren("tail", id_, "--json", "--after", "5", env=at).stdout.splitlines()]
    assert rest == events[6:]


def test_a_broken_connection_is_made_again(at: dict[str, str], known: Client, gateway: str) -> None:
    id_ = background(known)
    with cutting(gateway, after=4_000) as (url, connections):
        told = warren("tail", id_, "--json", "--base-url", url, env=at)
    events = [json.loads(one) for one in told.stdout.splitlines()]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.completed"
    assert len(connections) > 2


def test_a_gateway_that_stays_away_is_given_up(at: dict[str, str]) -> None:
    started = time.monotonic()
    told = warren("tail", "resp_1", "--base-url", "http://127.0.0.1:9", "--patience", "1.5", env=at, code=1)
    assert "cannot be reached" in told.stderr
    assert time.monotonic() - started > 1.5


def test_what_fails_or_is_not_there_is_code_1(at: dict[str, str], known: Client) -> None:
    assert "upstream_truncated" in warren("tail", background(known, "cut-3"), env=at, code=1).stderr
    assert "not found" in warren("tail", "resp_1", env=at, code=1).stderr


def test_a_conversation(at: dict[str, str]) -> None:
    said = "my name is Ada\n\nwho am I?\n/new\nwho am I?\n/model words-20\nhello\n/dance\n/help\n/exit\nnever said\n"
    told = warren("chat", MODEL, env=at, say=said)
    first, second, third, fourth, *rest = told.stdout.splitlines()
    assert first.strip() == "You said: my name is Ada"
    assert second.strip() == "You said: my name is Ada / who am I?"
    assert third.strip() == "You said: who am I?"
    assert len(fourth.split()) == 20
    assert rest[0].startswith("/model")
    assert "/dance" in told.stderr
    assert "never said" not in told.stdout


def test_a_conversation_as_json_goes_on_behind_a_response(at: dict[str, str], known: Client) -> None:
    before = known.responses("my name is Ada", MODEL)
    arguments = ("--previous", before.id, "--instructions", "Be kind.", "--json")
    told = warren("chat", MODEL, *arguments, env=at, say="who am I?\n")
    answer = json.loads(told.stdout)
    assert answer["previous_response_id"] == before.id
    assert answer["instructions"] == "Be kind."
    assert known.get_responses(answer["id"]).to_dict() == answer


def test_an_answer_that_fails_is_told_and_the_talk_goes_on(at: dict[str, str]) -> None:
    told = warren("chat", "cut-3", env=at, say=f"hello\n/model nobody\nhello\n/model {MODEL}\nhello\n", code=1)
    assert len(told.stderr.splitlines()) == 2
    assert "upstream_truncated" in told.stderr
    assert "model_not_found" in told.stderr
    assert told.stdout.splitlines()[-1].strip() == "You said: hello"


def test_the_first_model_is_the_default(at: dict[str, str]) -> None:
    assert warren("chat", env=at, say="hello\n").stdout.strip() == "You said: hello"


def test_without_a_gateway_it_all_happens_here(tmp_path: Path, upstream: FakeProvider) -> None:
    here = {
        name: value for name, value in os.environ.items() if not name.startswith("WARREN_")
    } | {"WARREN_DATA": str(tmp_path / "data"), "OPENAI_API_KEY": "k", "OPENAI_BASE_URL": upstream.url}  # fmt: skip
    told = warren("chat", "openai/words-3", "--json", env=here, say="hello\n")
    id_ = json.loads(told.stdout)["id"]
    assert id_ in warren("responses", "list", env=here).stdout
    assert json.loads(warren("responses", "get", id_, "--json", env=here).stdout)["model"] == "openai/words-3"
    assert "Which model?" in warren("chat", env=here, say="hello\n", code=1).stderr
    assert "deleted" in warren("responses", "delete", id_, env=here).stdout


def test_ctrl_c_ends_an_answer_and_ctrl_d_the_talk(at: dict[str, str], upstream: FakeProvider) -> None:
    process, terminal = pty.fork()
    if process == 0:  # the child
        os.execve(WARREN, [WARREN, "chat", "words-400-50"], at)
    until(terminal, b"> ")
    calls = len(upstream.calls)
    os.write(terminal, b"hello\n")
    until(terminal, b"w3 ")
    os.write(terminal, b"\x03")
    until(terminal, b"> ")
    assert not upstream.calls[calls].finished
    os.write(terminal, b"\x04")
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(process, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.close(terminal)
    if ended[0] == 0:
        os.kill(process, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(ended[1]) == 0


def until(terminal: int, text: bytes) -> None:
    """Read on until this has come."""
    seen, deadline = b"", time.monotonic() + 30
    while text not in seen:
        readable, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert readable, seen
        seen += os.read(terminal, 4096)


@contextmanager
def cutting(target: str, after: int) -> Iterator[tuple[str, list[int]]]:
    """A way to this address on which every connection breaks after so many bytes of answers."""
    parts = urlsplit(target)
    connections: list[int] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve(one: socket.socket) -> None:
        with one, socket.create_connection((parts.hostname or "", parts.port or 80)) as other:
            threading.Thread(target=pump, args=(one, other), daemon=True).start()
            left = after
            while left > 0 and (piece := other.recv(min(left, 500))):
                one.sendall(piece)
                left -= len(piece)
            for end in (one, other):
                end.shutdown(socket.SHUT_RDWR)

    def pump(one: socket.socket, other: socket.socket) -> None:
        try:
            while piece := one.recv(65536):
                other.sendall(piece)
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                one, _ = server.accept()
            except OSError:
                return
            connections.append(1)
            threading.Thread(target=serve, args=(one,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}{parts.path}", connections
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
