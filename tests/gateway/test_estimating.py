"""What a request may use at the most, by what is in it."""

import base64
import random
from types import SimpleNamespace
from typing import Any

import pytest

from warren_gateway.estimating import CARRIED, input_tokens, output_tokens

PICTURE = 16_384


class Wanted(SimpleNamespace):
    def model_dump(self, **_: Any) -> dict[str, Any]:
        return vars(self)


def tokens(given: Any, size: int = 0) -> int:
    return input_tokens(Wanted(input=given), size)


def content(**part: str) -> list[Any]:
    return [{"role": "user", "content": [part]}]


@pytest.mark.parametrize("text", ["数" * 200_000, '{"a":1,"b":[2]}' * 80_000, "word " * 100_000])
def test_a_long_text_is_weighed_whole_in_whatever_script(text: str) -> None:
    size = len(text.encode())
    assert size // 2 <= tokens(text, size) <= size // 2 + 20


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"])
def test_what_is_sent_along_is_worth_a_picture_at_the_most(head: str) -> None:
    data = head + base64.b64encode(random.Random(1).randbytes(400_000)).decode()
    assert PICTURE <= tokens(content(type="input_file", file_data=data), len(data)) < PICTURE + 50


@pytest.mark.parametrize("name", ["image_url", "file_url", "file_id"])
def test_what_is_elsewhere_may_be_as_large(name: str) -> None:
    assert PICTURE <= tokens(content(type="input_image", **{name: "https://example.com/a.png"}), 120) < PICTURE + 50


def test_a_small_picture_that_is_sent_along_is_small() -> None:
    assert tokens(content(type="input_image", image_url="data:image/png;base64,AAAA"), 120) < 100


def test_what_a_conversation_brings_along_counts() -> None:
    assert input_tokens(Wanted(input="hello", previous_response_id="resp_1"), 40) == CARRIED + 20


def test_what_may_be_said() -> None:
    assert (output_tokens(Wanted(max_output_tokens=7)), output_tokens(Wanted())) == (7, 32_768)
