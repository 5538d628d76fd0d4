"""What messages and the results of tools are made of."""

from warren.requests import extras
from warren.requests.shapes import (
    ANY,
    INTEGER,
    NUMBER,
    TEXT,
    Schema,
    chosen,
    either,
    kinds,
    many,
    need,
    one_of,
    shape,
    text,
    with_any,
)

LONGEST_TEXT = 10_485_760
LONG = text(most=LONGEST_TEXT)
STATUS = one_of("in_progress", "completed", "incomplete")
_CACHED = shape(mode=one_of("explicit"), ttl=one_of("30m", "12h"))
_INPUT_TEXT = shape(text=need(LONG), prompt_cache_breakpoint=_CACHED)
_INPUT_IMAGE = with_any(
    shape(
        image_url=text(most=20_971_520),
        file_id=TEXT,
        detail=one_of("low", "high", "auto", "original"),
        prompt_cache_breakpoint=_CACHED,
    ),
    "image_url",
    "file_id",
)
_INPUT_FILE = with_any(
    shape(
        file_id=TEXT,
        file_data=text(most=73_400_320),
        file_url=TEXT,
        filename=TEXT,
        detail=one_of("auto", "low", "high"),
        prompt_cache_breakpoint=_CACHED,
    ),
    "file_id",
    "file_data",
    "file_url",
)
_INPUT_PARTS = {"input_text": _INPUT_TEXT, "input_image": _INPUT_IMAGE, "input_file": _INPUT_FILE}
PART = kinds(**_INPUT_PARTS)
_INPUT_AUDIO = shape(input_audio=need(shape(data=need(TEXT), format=need(one_of("mp3", "wav")))))
_SAID = either(text=LONG, array=many(kinds(**_INPUT_PARTS, input_audio=_INPUT_AUDIO)))
RESULT = either(text=LONG, array=many(PART))

_ANNOTATION = kinds(
    file_citation=shape(file_id=need(TEXT), filename=TEXT, index=INTEGER),
    url_citation=shape(url=need(TEXT), title=TEXT, start_index=INTEGER, end_index=INTEGER),
    container_file_citation=shape(
        container_id=need(TEXT), file_id=need(TEXT), filename=TEXT, start_index=INTEGER, end_index=INTEGER
    ),
    file_path=shape(file_id=need(TEXT), index=INTEGER),
)
_LIKELY = shape(token=TEXT, logprob=NUMBER, bytes=many(INTEGER))
_LOGPROB = shape(token=TEXT, logprob=NUMBER, bytes=many(INTEGER), top_logprobs=many(_LIKELY))
_ANSWERED = either(
    text=LONG,
    array=many(
        kinds(
            output_text=shape(
                text=need(LONG),
                annotations=many(_ANNOTATION),
                logprobs=many(_LOGPROB),
                **dict.fromkeys(extras.ITEMS["output_text"], ANY),
            ),
            refusal=shape(refusal=need(LONG)),
        )
    ),
)
_ROLE = one_of("user", "assistant", "system", "developer")
_PHASE = one_of("commentary", "final_answer")


def _message(content: Schema) -> Schema:
    return shape(role=need(_ROLE), content=need(content), id=TEXT, status=STATUS, phase=_PHASE)


MESSAGE = chosen(
    {"assistant": _message(_ANSWERED), "other": _message(_SAID)},
    lambda item: "assistant" if item.get("role") == "assistant" else "other",
)
