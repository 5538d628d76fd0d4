"""Where calls go: to a gateway, or to services inside of this process."""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, cast

from warren.client.arguments import UPSTREAM
from warren.client.calls import Call
from warren.client.items import Json
from warren.client.wire import Place
from warren.exceptions import APIError, BadRequestError, UnsupportedParamsError

Config = str | Path | Mapping[str, Any]
"""A configuration: its file, or what would be in it."""
_FALLBACKS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")


class Source(Protocol):
    """Says where a call goes; for the first of its kind it may have to start what answers."""

    def place(self, call: Call) -> Place:
        """
        Raises:
            APIError: nobody can answer this.
        """

    async def aplace(self, call: Call) -> Place: ...


class Host(Protocol):
    """What the extra `embedded` brings: services in a thread of this process."""

    def place(self, config: str | Path, data: Path | None) -> tuple[str, str]:
        """The address and the key of services with this configuration, started if they are not there.

        Raises:
            APIError: they cannot be.
        """

    async def aplace(self, config: str | Path, data: Path | None) -> tuple[str, str]: ...

    def check(self, config: str | Path) -> None:
        """
        Raises:
            APIError: this cannot be used.
        """


@cache
def host() -> Host:
    """
    Raises:
        APIError: the extra is not installed.
    """
    try:
        return cast("Host", next(iter(entry_points(group="warren.embedded", name="host"))).load())
    except (StopIteration, ImportError):
        raise APIError(
            "There is no gateway: set WARREN_BASE_URL, or install what answers without one: "
            "pip install 'warren[embedded]'",
            code="not_configured",
        ) from None


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway elsewhere. It alone knows how providers are reached."""

    url: str
    key: str | None = field(repr=False)

    def place(self, call: Call) -> Place:
        for name in (*call.upstream, *_named(call.body or {})):
            raise UnsupportedParamsError(
                f"'{name}' is for calls inside of this process; the gateway at {self.url} knows how providers are "
                "reached.",
                param=name,
                model=call.model,
            )
        return Place(self.url, self.key)

    async def aplace(self, call: Call) -> Place:
        return self.place(call)


@dataclass(frozen=True, slots=True)
class Inside:
    """Services inside of this process, with a configuration, or with what each call says of its model."""

    config: Config | None = field(default=None, repr=False)
    data: Path | None = None

    def place(self, call: Call) -> Place:
        return Place(*host().place(self._config(call), self.data), inside=True)

    async def aplace(self, call: Call) -> Place:
        found = host() if host.cache_info().currsize else await asyncio.to_thread(host)  # there is much to import
        return Place(*await found.aplace(self._config(call), self.data), inside=True)

    def _config(self, call: Call) -> str | Path:
        if self.config is None:
            return _made(call)
        for name in () if call.model is None else (*call.upstream, *_named(call.body or {})):
            raise UnsupportedParamsError(
                f"'{name}' cannot be given here: the configuration says how deployments are reached.",
                param=name,
                model=call.model,
            )
        return text(self.config)


def text(config: Config) -> str | Path:
    return json.dumps(config) if isinstance(config, Mapping) else config


@dataclass(frozen=True, slots=True)
class Default:
    """As the environment says: WARREN_BASE_URL and WARREN_API_KEY, or else inside, with WARREN_CONFIG if it is set."""

    def place(self, call: Call) -> Place:
        return self._found().place(call)

    async def aplace(self, call: Call) -> Place:
        return await self._found().aplace(call)

    @staticmethod
    def _found() -> Source:
        if url := os.environ.get("WARREN_BASE_URL"):
            return Gateway(url, os.environ.get("WARREN_API_KEY"))
        return _inside(os.environ.get("WARREN_CONFIG"))


@cache
def _inside(config: str | None) -> Source:
    return Inside(Path(config) if config else None)


def source(base_url: str | None, api_key: str | None, config: Config | None, data: Path | str | None) -> Source:
    """What the arguments of a client say.

    Raises:
        BadRequestError: they exclude each other.
    """
    inside = config is not None or data is not None
    if base_url is not None:
        if inside:
            raise BadRequestError("A gateway has a configuration and data of its own.", param="base_url")
        return Gateway(base_url, api_key if api_key is not None else os.environ.get("WARREN_API_KEY"))
    if inside:
        return Inside(config, Path(data) if data is not None else None)
    if api_key is not None:
        return Gateway(_needed(os.environ.get("WARREN_BASE_URL")), api_key)
    return Default()


def _needed(url: str | None) -> str:
    if not url:
        raise BadRequestError("A key is for a gateway: give its base_url, or set WARREN_BASE_URL.", param="api_key")
    return url


def _made(call: Call) -> str:
    """A configuration of what a call names: its model, and those that it falls back to."""
    deployments = [] if call.model is None else [_deployment(call.model, call.upstream)]
    for target in _targets(call.body or {}):
        if isinstance(target, str):
            deployments.append(_deployment(target, {}))
        else:
            own = {name: target.pop(name) for name in UPSTREAM & target.keys()}
            deployments.append(_deployment(target["model"], own))
    distinct = {json.dumps(one, sort_keys=True, default=str): one for one in deployments}
    return json.dumps({"model_list": list(distinct.values())}, default=str)


def _deployment(model: str, upstream: Json) -> Json:
    return {"model_name": model, "litellm_params": {"model": model, **upstream}}


def _targets(body: Json) -> Iterator[Any]:
    """What a request falls back to: names, or objects with a name in `model`."""
    waiting = [one for name in _FALLBACKS for one in body.get(name) or ()]
    while waiting:
        match waiting.pop(0):
            case str(name):
                yield name
            case {"model": str()} as target:
                yield target
            case dict() as groups:
                waiting += [one for targets in groups.values() for one in targets]


def _named(body: Json) -> Iterator[str]:
    """What a request says of how to reach the providers that it falls back to."""
    for target in _targets(body):
        if isinstance(target, dict):
            yield from (f"fallbacks.{name}" for name in target if name in UPSTREAM)
