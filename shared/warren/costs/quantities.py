"""How many of what a call has used, each token under one name only."""

from typing import NamedTuple

from warren.contracts import Usage


class Quantities(NamedTuple):
    """Tokens, by the names of their rates. They add up to what the provider counts as input and output."""

    input: int
    cache_read: int
    cache_read_audio: int
    cache_read_image: int
    cache_write: int
    cache_write_1h: int
    cache_write_12h: int
    input_audio: int
    input_image: int
    input_video: int
    output: int
    reasoning: int
    output_audio: int
    output_image: int


def quantities(usage: Usage) -> Quantities:
    """The tokens of this usage.

    What it says twice is counted once: what was read from the cache or written to it first, then audio, pictures and
    video; what is left is text.
    """
    inputs = _Rest(usage.input_tokens)
    read = inputs.take(usage.cached_tokens)
    written = inputs.take(usage.cache_write_tokens)
    audio = inputs.take(usage.input_audio_tokens - usage.cached_audio_tokens)
    image = inputs.take(usage.input_image_tokens - usage.cached_image_tokens)
    video = inputs.take(usage.input_video_tokens)
    reads, writes, outputs = _Rest(read), _Rest(written), _Rest(usage.output_tokens)
    return Quantities(
        cache_read_audio=reads.take(usage.cached_audio_tokens),
        cache_read_image=reads.take(usage.cached_image_tokens),
        cache_read=reads.left,
        cache_write_12h=writes.take(usage.cache_write_12h_tokens),
        cache_write_1h=writes.take(usage.cache_write_1h_tokens),
        cache_write=writes.left,
        input_audio=audio,
        input_image=image,
        input_video=video,
        input=inputs.left,
        reasoning=outputs.take(usage.reasoning_tokens),
        output_audio=outputs.take(usage.output_audio_tokens),
        output_image=outputs.take(usage.output_image_tokens),
        output=outputs.left,
    )


class _Rest:
    """What is left of a number that parts are taken from."""

    __slots__ = ("left",)

    def __init__(self, whole: int) -> None:
        self.left = max(whole, 0)

    def take(self, part: int) -> int:
        taken = min(max(part, 0), self.left)
        self.left -= taken
        return taken
