"""Keys that nothing here knows, by their places."""

import re
from collections.abc import Iterator

from pydantic_core import to_json

from warren import naming, price_keys, requests
from warren.config.sections import File
from warren.errors import InvalidRequest
from warren.located import Where
from warren.params import Params, Strict
from warren.requests import CreateResponse, defaults

UNDROPPABLE = frozenset({"model", "input", "instructions", "previous_response_id", "conversation"})
"""What no `additional_drop_params` leave out: what is said, and whose it is."""
_TOP = re.compile(r"\W")


def unknown(file: File) -> Iterator[Where]:
    """Where they are."""
    yield from _extra((), file)
    for name in ("litellm_settings", "router_settings", "general_settings"):
        yield from _extra((name,), getattr(file, name))
    for name, margin in (file.litellm_settings.cost_margin_config or {}).items():
        yield from _extra(("litellm_settings", "cost_margin_config", name), margin)
    for number, credential in enumerate(file.credential_list or ()):
        yield from _extra(("credential_list", number), credential)
    for index, entry in enumerate(file.model_list):
        at = ("model_list", index)
        yield from _extra(at, entry)
        yield from (
            where
            for where in _unpriced((*at, "litellm_params"), entry.litellm_params)
            if defaults.path(str(where[-1])) is None
        )
        yield from ((*at, "litellm_params", *where) for where in _unsaid(entry.litellm_params))
        yield from _unpriced((*at, "model_info"), entry.model_info)


def _extra(at: Where, section: Strict) -> Iterator[Where]:
    return ((*at, key) for key in section.model_extra or ())


def _unpriced(at: Where, section: Strict) -> Iterator[Where]:
    """Where it is no price, either."""
    return (where for where in _extra(at, section) if not price_keys.known(str(where[-1])))


def _unsaid(params: Params) -> Iterator[Where]:
    """Where names of parameters are that no request has, or that are never left out."""
    known = CreateResponse.model_fields.keys()
    for key in ("additional_drop_params", "allowed_openai_params"):
        for at, name in enumerate(getattr(params, key)):
            top = _TOP.split(naming.CHATS.get(name, name))[0]
            if top not in known or (key == "additional_drop_params" and top in UNDROPPABLE):
                yield key, at


def wrong_default(file: File) -> tuple[Where, str] | None:
    """Where a default is none that a request could have, and why."""
    for index, entry in enumerate(file.model_list):
        for key, value in (entry.litellm_params.model_extra or {}).items():
            if not (default := defaults.defaults({key: value})):
                continue
            try:
                requests.create(to_json({"model": "m", "input": "x", **default}))
            except InvalidRequest as wrong:
                return ("model_list", index, "litellm_params", key), wrong.message
    return None


def wrong_price(file: File) -> tuple[Where, str] | None:
    """Where a price is none, and why."""
    for index, entry in enumerate(file.model_list):
        for name in ("litellm_params", "model_info"):
            for key, value in (getattr(entry, name).model_extra or {}).items():
                try:
                    price_keys.check(key, value)
                except ValueError as wrong:
                    return ("model_list", index, name, key), str(wrong)
    return None
