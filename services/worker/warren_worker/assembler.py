"""Makes the Responses event stream of neutral deltas. It alone knows event types, their order and their numbers.

What a model says becomes items in `speech`; events that are native already are passed on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from warren import events, ids, losses
from warren.contracts import Usage
from warren.errors import UpstreamError, UpstreamTruncated, WarrenError
from warren.events import Event, Fold
from warren.objects import Item
from warren_worker.dialect import (
    Arguments,
    Delta,
    Native,
    Refusal,
    Stop,
    Summary,
    Text,
    Thought,
    Tier,
    Tokens,
    UpstreamId,
)
from warren_worker.speech import Speech

Source = Literal["reported", "estimated"]

_ECHOED = (
    "id",
    "created_at",
    "model",
    "previous_response_id",
    "store",
    "metadata",
    "background",
    "instructions",
    "safety_identifier",
    "user",
    "conversation",
)
"""What a native response says of the request is ours to say: the upstream was asked in our words."""
_SHOWN = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
"""Of a usage, what the API shows."""
_CUT = ("max_output_tokens", "content_filter")


class Assembler:
    """One response in the making. What it gives are whole events with their numbers.

    `response` is the object before anything has happened, `request` what it answers: its tools, and what it wants to be
    shown. `seal` closes reasoning that the client keeps for us, if it asks for that. `sequence` is the number of the
    first event, above 0 when an earlier attempt had begun the stream and shown nothing. `read` is how many tokens the
    prompt has, about: they and the text that came stand in for a usage that nobody reports.

    A provider that pauses is asked again; all that it says until its end is one answer, and `resume` stands between.
    """

    def __init__(
        self,
        response: Item,
        *,
        request: Item,
        seal: Callable[[bytes], str] | None = None,
        sequence: int = 0,
        read: int = 0,
        new_id: Callable[[str], str] = ids.new,
    ) -> None:
        self._response = response
        self._read = read
        self._veiled = bool((request.get("stream_options") or {}).get("include_obfuscation"))
        self._speech = Speech(response["output"], request, seal, new_id)
        self._native: Fold | None = None
        self._places: dict[int, int] = {}  # of open native items: the provider's index, and ours
        self._ended: Item | None = None
        self._stop: Stop | None = None
        self._earlier: list[tuple[Usage, Source]] = []  # of the calls before the latest pause
        self._reported: Usage | None = None
        self._written = 0
        self._last: list[Event] = []  # the end, which is said when it is on record
        self.sequence = sequence
        self.upstream_id: str | None = None
        self.shown = False
        """Whether model output has been given out: from here on nobody else may begin this stream again."""

    @property
    def response(self) -> Item:
        """The object as the events so far make it."""
        return self._native.response if self._native is not None else self._response

    @property
    def kept(self) -> Mapping[str, list[Item]]:
        """What belongs beside items, by their ids."""
        return self._speech.kept

    @property
    def usage(self) -> Usage:
        """Of the latest call: what the provider reported, or else an estimate."""
        if self._reported is not None:
            return self._reported
        return Usage(input_tokens=self._read, output_tokens=losses.tokens(self._written))

    @property
    def usage_source(self) -> Source:
        return "estimated" if self._reported is None else "reported"

    @property
    def paused(self) -> bool:
        """Whether the provider wants to be asked again, to go on."""
        return self._stop is not None and self._stop.reason == "paused"

    def reads(self, tokens: int) -> None:
        """What the call that is made now reads, about."""
        self._read = tokens

    def start(self) -> list[Event]:
        return self._number(events.begin(self._response))

    def compaction(self, item: Item) -> list[Event]:
        """A compaction item, before the model speaks. It counts as output: from here on this stream is latched."""
        index = len(self._response["output"])
        self._response["output"].append(item)
        self.shown = True
        return self._number(events.whole_item(index, item))

    def keep_alive(self) -> list[Event]:
        """A sign of life. Until the stream has ended: an end that is made and not said yet comes after it."""
        [alive] = made = self._number([{"type": "keepalive"}])
        if self._last:
            alive["sequence_number"] = self._last[0]["sequence_number"]
            for event in self._last:
                event["sequence_number"] += 1
        return made

    def feed(self, delta: Delta) -> list[Event]:
        """The events that this delta makes."""
        match delta:
            case Tokens(usage):
                self._reported = usage
                return []
            case UpstreamId(id_):
                self.upstream_id = id_
                return []
            case Tier(name):
                self._response["service_tier"] = name
                return []
            case Stop():
                self._stop = delta
                return []
            case Native(event):
                self._written += len(event["delta"]) if isinstance(event.get("delta"), str) else 0
                made = self._number(self._pass(event))
            case _:
                self._written += _length(delta)
                made = self._number(self._speech.say(delta))
        self.shown = self.shown or bool(made)
        return made

    def resume(self) -> list[Event]:
        """What is open ends here: what the provider says when it is asked again comes behind that, and costs more."""
        made = self._number(list(self._flush("completed")))
        self._earlier.append((self.usage, self.usage_source))
        self._written, self._reported, self._stop = 0, None, None
        return made

    def finish(self, at: float) -> list[Event]:
        """The end of an answer that ended well, at this time; of one that is paused, too.

        Raises:
            UpstreamTruncated: the provider never said that this was all.
        """
        if self._stop is None:
            raise UpstreamTruncated("The provider's answer was cut off.")
        cut = self._stop.reason in _CUT
        made = list(self._flush("incomplete" if cut else "completed"))
        if self._ended is not None:
            self._response = self._native_end(self._ended, at)
            self._native = None
        elif cut:
            details = {"reason": self._stop.reason}
            self._response |= {"status": "incomplete", "incomplete_details": details, "usage": self._usage()}
        else:
            self._response |= {"status": "completed", "completed_at": int(at), "usage": self._usage()}
        return self._end([*made, *events.end(self._response)])

    def empty(self, sequence: int) -> None:
        """Let go of what the model has said, it is too much to be kept; the next event has this number."""
        self.sequence = sequence
        self._last = []
        self._response = {**self.response, "status": "in_progress", "output": []}
        self._native = None
        self._speech.kept.clear()

    def fail(self, error: WarrenError) -> list[Event]:
        """The end of an answer that failed; what came until then is kept."""
        made = list(self._flush("incomplete"))
        self._response = events.interrupted(self.response, error.code or "server_error", error.message)
        self._native = None
        self._response["usage"] = self._usage() if self.shown else None
        return self._end([*made, *events.failure(self._response, error.param, error.type)])

    def cancel(self) -> list[Event]:
        """The end of an answer that nobody wants any more."""
        made = list(self._flush("incomplete"))
        self._response = {**events.cut(self.response), "status": "cancelled"}
        self._native = None
        self._response["usage"] = self._usage() if self.shown else None
        return self._end([*made, *events.end(self._response)])

    def _native_end(self, ended: Item, at: float) -> Item:
        """What the upstream said at the end, over all that the API promises, under what is ours to say."""
        ours = {name: self._response[name] for name in _ECHOED if name in self._response}
        output = self.response["output"] if self._native is not None else []
        theirs = {name: value for name, value in ended.items() if value is not None or self._response.get(name) is None}
        response = {**self._response, **theirs, **ours, "output": output}
        used = ended.get("usage") if self._reported is not None else None
        response["usage"] = _merged(used if isinstance(used, dict) else {}, self._usage())
        if response["status"] == "completed":
            response["completed_at"] = response["completed_at"] or int(at)
        return response

    def _usage(self) -> Item:
        """The usage object of the API, of all calls together; an estimate says that it is one."""
        calls = [*self._earlier, (self.usage, self.usage_source)]
        usage = _sum([used for used, _ in calls])
        estimated = any(source == "estimated" for _, source in calls)
        return {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {
                "cached_tokens": usage.cached_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
            },
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": usage.input_tokens + usage.output_tokens,
            **({"estimated": True} if estimated else {}),
        }

    def _end(self, made: Iterable[Event]) -> list[Event]:
        self._last = self._number(made)
        return self._last

    def _number(self, made: Iterable[Event]) -> list[Event]:
        numbered = []
        for event in made:
            event["sequence_number"] = self.sequence
            self.sequence += 1
            numbered.append(events.obfuscated(event) if self._veiled else event)
        return numbered

    def _pass(self, event: Event) -> list[Event]:
        """A native event, in its place. Of the last one only its response is kept: the end is made here."""
        if self._ended is not None:
            return []  # a stream ends once
        if self._native is None:
            self._native = Fold(self._response)
        try:
            made = self._rest(event["response"]) if "response" in event else [self._placed(event)]
            for inner in made:
                self._native.feed(inner)
        except (AttributeError, LookupError, TypeError, ValueError):
            raise UpstreamError("The provider sent an event that does not fit its stream.") from None
        if "response" in event:
            self._ended = event["response"]
        return made

    def _placed(self, event: Event) -> Event:
        """The event with the index that its item has here: 0, 1, 2 …"""
        index = event.get("output_index")
        if index is None:
            return event
        if event["type"] == "response.output_item.added":
            if index in self._places:
                raise ValueError("this item is open already")
            self._places[index] = len(self.response["output"])
        ours = self._places[index]
        if event["type"] == "response.output_item.done":
            del self._places[index]
        return {**event, "output_index": ours}

    def _rest(self, ended: Item) -> list[Event]:
        """What the end of a native stream holds and its events did not say."""
        assert self._native is not None
        made = self._native.closing("incomplete" if ended["status"] == "incomplete" else "completed")
        shown = len(self._native.response["output"])
        for index, item in list(enumerate(ended.get("output") or []))[shown:]:
            made += events.whole_item(index, item)
        return made

    def _flush(self, status: str) -> Iterator[Event]:
        """Close everything that is open."""
        if self._native is not None and self._ended is None:
            for event in self._native.closing():
                self._native.feed(event)
                yield event
        yield from self._speech.end(status)


def _sum(usages: list[Usage]) -> Usage:
    return Usage(**{name: sum(getattr(used, name) for used in usages) for name in _SHOWN})


def _merged(theirs: Item, ours: Item) -> Item:
    """Ours over theirs, one level deep."""
    result = theirs | ours
    for name, value in ours.items():
        if isinstance(value, dict) and isinstance(theirs.get(name), dict):
            result[name] = theirs[name] | value
    return result


def _length(delta: Delta) -> int:
    match delta:
        case Text(text=text) | Refusal(text) | Thought(text) | Summary(text=text) | Arguments(part=text):
            return len(text)
        case _:
            return 0
