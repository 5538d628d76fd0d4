"""LiteLLM's callbacks: whom to tell of requests. Those that we can tell are known, the others reported."""

from collections.abc import Iterator

from warren.config.sections import File
from warren.located import Where
from warren.sinks import CALLBACKS, Callback

_LISTS = {"callbacks": (True, True), "success_callback": (False, True), "failure_callback": (True, False)}
"""Of which requests each tells: of those that failed, and of others."""


def known(file: File) -> tuple[Callback, ...]:
    """Those that there are sinks for, each once: who is told of failures and of others is told of all."""
    failed: dict[str, bool] = {}
    others: dict[str, bool] = {}
    for key, (on_failure, on_others) in _LISTS.items():
        for name in getattr(file.litellm_settings, key) or ():
            if isinstance(name, str) and name in CALLBACKS:
                failed[name] = failed.get(name, False) or on_failure
                others[name] = others.get(name, False) or on_others
    return tuple(Callback(name, failed[name], others[name]) for name in failed)


def unknown(file: File) -> Iterator[tuple[Where, str]]:
    """Where those are that nobody will tell anything, and what to say of it."""
    for key in _LISTS:
        for at, name in enumerate(getattr(file.litellm_settings, key) or ()):
            if not isinstance(name, str) or name not in CALLBACKS:
                told = ", ".join(CALLBACKS)
                yield ("litellm_settings", key, at), f"{name!r} is told nothing; callbacks that are: {told}"
