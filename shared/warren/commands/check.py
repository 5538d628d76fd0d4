"""`warren check`: what a configuration says, what of it has no effect, and whether its deployments answer."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic_core import to_json
from pydantic_settings import BaseSettings, CliPositionalArg, SettingsConfigDict

from warren import config
from warren.config import Config, Deployment, Secret
from warren.routing.rules import Fallbacks
from warren.settings import Complaint, Settings, give_up, load

Probes = Mapping[str, str | None]
"""By the id of a deployment: our code for why it does not answer, or None. Who is not in it was not asked."""
Probe = Callable[[Config, Mapping[str, str]], Coroutine[Any, Any, Probes]]

_LISTS = {
    "fallbacks": "fallbacks",
    "context_window_fallbacks": "fallbacks for a full context window",
    "content_policy_fallbacks": "fallbacks for refused content",
}


class Checking(BaseSettings):
    """Look through a configuration file: its deployments, how requests find them, and what has no effect. The exit
    code is 0 if it can be used, 1 if a deployment does not answer (--probe) or something has no effect (--strict), and
    2 if it cannot be used.
    """

    model_config = SettingsConfigDict(
        **{**Settings.model_config, "env_prefix_target": "all", "cli_prog_name": "warren check"}
    )

    config: CliPositionalArg[Path]
    """The configuration file."""

    as_json: Annotated[bool, Field(validation_alias="json")] = False
    """Write one JSON object."""

    probe: bool = False
    """Ask each deployment for a few words."""

    strict: bool = False
    """What has no effect is a failure."""


def main(arguments: list[str]) -> None:
    """The command."""
    settings = load(Checking, arguments=arguments)
    try:
        found = config.load(settings.config)
    except Complaint as complaint:
        give_up("warren check", str(complaint))
    probes = asyncio.run(_probe()(found, os.environ)) if settings.probe else None
    told = summary(found, os.environ, probes)
    if settings.as_json:
        sys.stdout.write(to_json(told, indent=2).decode() + "\n")
    else:
        sys.stdout.write("\n".join(_lines(str(settings.config), told)) + "\n")
    dead = probes is not None and any(probes.values())
    raise SystemExit(1 if dead or (settings.strict and found.reports) else 0)


def summary(found: Config, environ: Mapping[str, str], probes: Probes | None = None) -> dict[str, Any]:
    """All that is worth telling of a configuration, as JSON."""
    rules, known = found.rules, found.environ(environ)
    return {
        "models": found.models(),
        "deployments": [_deployment(one, known, probes) for one in found.deployments.values()],
        "routing": {
            "strategy": rules.strategy,
            "num_retries": rules.num_retries,
            "timeout": rules.timeout,
            "stream_timeout": rules.stream_timeout,
            "allowed_fails": rules.allowed_fails,
            "cooldown_time": rules.cooldown_time,
            "cooldowns": not rules.disable_cooldowns,
            "tag_filtering": rules.tag_filtering,
            "affinity": sorted(rules.affinity),
            "max_fallbacks": rules.max_fallbacks,
        },
        **{name: _fallbacks(getattr(rules, name)) for name in _LISTS},
        "aliases": {name: alias.group for name, alias in rules.aliases.items()},
        "unsupported": list(found.reports),
    }


def _deployment(one: Deployment, environ: Mapping[str, str], probes: Probes | None) -> dict[str, Any]:
    told: dict[str, Any] = {"id": one.id, "group": one.group, "provider": one.provider, "model": one.model}
    for name in ("order", "weight", "rpm", "tpm", "max_parallel_requests", "tags"):
        if (value := getattr(one.params, name)) not in (None, []):
            told[name] = value
    given = [getattr(one.params, name) for name in type(one.params).model_fields]
    told["unset"] = sorted({
        value.variable for value in given
        if isinstance(value, Secret) and value.variable is not None and value.resolve(environ) is None
    })  # fmt: skip
    if probes is not None:
        told["answers"] = probes[one.id] is None if one.id in probes else None
        told["error"] = probes.get(one.id)
    return told


def _fallbacks(given: Fallbacks) -> dict[str, list[str]]:
    return {group: [target.model for target in targets] for group, targets in given.items()}


def _lines(name: str, told: dict[str, Any]) -> Iterator[str]:
    deployments, routing = told["deployments"], told["routing"]
    yield f"{name}: {len(deployments)} deployments of {len({one['group'] for one in deployments})} models"
    yield (
        f"routing: {routing['strategy']}, {routing['num_retries']} retries"
        + (", by tags" if routing["tag_filtering"] else "")
        + ("" if routing["cooldowns"] else ", no cooldowns")
        + "".join(f", {kind} affinity" for kind in routing["affinity"])
    )
    for group in dict.fromkeys(one["group"] for one in deployments):
        yield f"\n{group}"
        for one in (one for one in deployments if one["group"] == group):
            yield "  " + _described(one)
    for kind, title in _LISTS.items():
        if told[kind]:
            yield f"\n{title}"
            yield from (f"  {group} -> {', '.join(targets) or 'none'}" for group, targets in told[kind].items())
    if told["aliases"]:
        yield "\naliases"
        yield from (f"  {alias} = {group}" for alias, group in told["aliases"].items())
    if told["unsupported"]:
        yield f"\nnot supported: {len(told['unsupported'])}"
        yield from (f"  {report}" for report in told["unsupported"])


def _described(one: dict[str, Any]) -> str:
    words = [f"{one['id']}: {one['provider']}/{one['model']}"]
    words += [f"{name} {one[name]:g}" for name in ("order", "weight", "rpm", "tpm") if name in one]
    if "max_parallel_requests" in one:
        words.append(f"{one['max_parallel_requests']} at a time")
    if "tags" in one:
        words.append(f"for {', '.join(one['tags'])}")
    if one["unset"]:
        words.append(f"{', '.join(one['unset'])} not set here")
    if "answers" in one:
        words.append({True: "answers", False: f"DOES NOT ANSWER ({one['error']})", None: "not asked"}[one["answers"]])
    return ", ".join(words)


def _probe() -> Probe:
    """Brought by the worker, which knows the providers."""
    found = entry_points(group="warren.embedded", name="probe")
    try:
        probe: Probe = next(iter(found)).load()
    except (StopIteration, ImportError):
        give_up("warren check", "--probe needs more packages: pip install 'warren[embedded]'")
    return probe
