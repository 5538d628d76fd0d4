"""What was said, as people read it."""

import json
from typing import Any

from warren_gateway import transcript

Json = dict[str, Any]


def read(*items: Json) -> list[tuple[str, str, str | None, str]]:
    told = transcript.read(json.dumps(items).encode())
    return [(one["role"], one["kind"], one["name"], one["text"]) for one in told["data"]]


def test_who_said_what() -> None:
    assert read(
        {"role": "user", "content": "hello"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"refusal": "b"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "thinking"}], "encrypted_content": "x"},
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "name": "lookup", "arguments": "{}", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "found"}]},
    ) == [
        ("user", "text", None, "hello"),
        ("assistant", "text", None, "a\nb"),
        ("assistant", "reasoning", None, "thinking"),
        ("assistant", "call", "lookup", "{}"),
        ("tool", "result", None, "found"),
    ]


def test_media_are_named_and_not_shown() -> None:
    parts = [
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        {"type": "input_image", "image_url": "https://example.com/a.png"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
    ]
    [(_, _, _, text)] = read({"role": "user", "content": parts})
    assert text == "[image]\n[image: https://example.com/a.png]\n[file: a.pdf]"


def test_what_is_not_known_is_shown_as_it_is() -> None:
    assert read({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "x"}}) == [
        ("assistant", "other", "web_search_call", '{"action":{"query":"x"}}')
    ]


def test_of_too_much_the_latest_is_told_and_how_much_is_not() -> None:
    said = [{"role": "user", "content": str(number)} for number in range(600)]
    told = transcript.read(json.dumps([*said, {"role": "user", "content": "x" * 30_000}]).encode())
    assert (len(told["data"]), told["earlier"], told["data"][0]["text"]) == (500, 101, "101")
    assert (len(told["data"][-1]["text"]), told["data"][-1]["cut"]) == (20_000, 10_000)
