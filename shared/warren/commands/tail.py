"""`warren tail`: what a response in the background says, as it says it."""

import sys
import time
from collections.abc import Iterator

from pydantic_settings import CliPositionalArg, SettingsConfigDict

from warren.client.events import ENDS, StreamEvent
from warren.client.streams import Stream
from warren.client.sync import Client
from warren.commands.connecting import Connecting, line, run, say
from warren.exceptions import APIConnectionError, ServiceUnavailableError

_PAUSE = 0.5
_LONGEST_PAUSE = 5.0


class Tailing(Connecting):
    """Follow a response that was made with background and stream, from its beginning to its end. A connection that
    breaks is made again, and nothing is shown twice. The exit code is 0 if the response is completed.
    """

    model_config = SettingsConfigDict(cli_prog_name="warren tail")

    id: CliPositionalArg[str]
    """Its id."""

    after: int | None = None
    """Begin behind the event with this number."""

    patience: float = 60.0
    """Seconds for which a gateway that cannot be reached is tried again."""


def main(arguments: list[str]) -> None:
    run(Tailing, arguments, _tail)


def _tail(wanted: Tailing, client: Client) -> int:
    status = None
    for event in follow(client, wanted.id, after=wanted.after, patience=wanted.patience):
        if wanted.as_json:
            line(event.to_dict())
        elif event.type in ("response.output_text.delta", "response.refusal.delta"):
            say(event.delta)
        if event.type in ENDS:
            status = event["response"].status
    if not wanted.as_json:
        say("\n")
        if status != "completed":
            sys.stderr.write(f"warren tail: {wanted.id} is {status}\n")
    return 0 if status == "completed" else 1


def follow(client: Client, response_id: str, *, after: int | None, patience: float) -> Iterator[StreamEvent]:
    """All events behind this one, over as many connections as it takes.

    Raises:
        APIError: the response failed, or there is no such stream, or the gateway stays away for so many seconds.
    """
    pause, reached = _PAUSE, time.monotonic()
    while True:
        try:
            with client.get_responses(response_id, stream=True, starting_after=after) as stream:
                for event in _numbered(stream):
                    after, pause, reached = event.sequence_number, _PAUSE, time.monotonic()
                    yield event
        except (APIConnectionError, ServiceUnavailableError) as error:
            if error.outcome is not None or time.monotonic() - reached >= patience:
                raise
        else:
            return
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _numbered(stream: Stream) -> Iterator[StreamEvent]:
    yield from (event for event in stream if event.type != "keepalive")
