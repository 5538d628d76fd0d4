"""What a response repeats of its request: all but the input, at its beginning and at its end. Pure."""

from pydantic_core import from_json, to_json

from warren.errors import RequestTooLarge

LARGEST = 4 * 1024 * 1024


def check(body: bytes) -> None:
    """Refuse a request of which too much would be repeated.

    Raises:
        RequestTooLarge: naming the field that takes the most.
    """
    if len(body) <= LARGEST:
        return
    fields = from_json(body)
    sizes = {name: len(to_json(value)) for name, value in fields.items() if name != "input"}
    if sum(sizes.values()) > LARGEST:
        name = max(sizes, key=lambda name: sizes[name])
        raise RequestTooLarge(
            f"Invalid '{name}': too large. All fields but 'input' may have 4 MB together at the most.", param=name
        )
