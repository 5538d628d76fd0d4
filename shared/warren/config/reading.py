"""From files to one value: what they include, what their entries share, and what of the environment they name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml

from warren import located
from warren.located import Where, dotted
from warren.params import ENVIRON, Credentials, Params, SecretText
from warren.settings import Complaint

_SECRETS = {
    key
    for name, annotation in Params.__annotations__.items()
    if any(part in (SecretText, Credentials) for part in (annotation, *get_args(annotation)))
    for key in (name, *getattr(Params.model_fields[name].validation_alias, "choices", ()))
} | {"master_key", "environment_variables", "extra_headers"}
"""What stays a reference until somebody needs it: not everybody has it who reads the file."""


@dataclass
class Source:
    """A file's value, with that of all it includes in it. Everything in it has a place: a name and a line."""

    value: dict[str, Any]
    places: dict[Where, str]
    files: list[Path] = field(default_factory=list)
    unset: dict[Where, str] = field(default_factory=dict)
    """Where a variable is named that is not set: there is nothing in its place."""
    written: dict[str, Any] = field(default_factory=dict)
    """The value before anything of the environment was put in."""

    def place(self, where: Where) -> str:
        """Where that is, or the nearest thing around it."""
        while where and where not in self.places:
            where = where[:-1]
        return self.places[where]

    def order(self, report: str) -> tuple[int, int]:
        """Where a report stands that begins with a place: file after file, line after line."""
        name, _, rest = report.partition(", line ")
        names = [str(file) for file in self.files]
        return (names.index(name) if name in names else 0), int(rest.partition(":")[0])

    def complaint(self, where: Where, message: str) -> Complaint:
        return Complaint(f"{self.place(where)}: {dotted(where)}: {message}")


def read(text: str, name: str) -> Source:
    """One file.

    Raises:
        Complaint: it is no mapping in YAML.
    """
    try:
        value, lines = located.read(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Complaint(f"{name}, line {line}: {error.problem}") from None
    except yaml.YAMLError:
        raise Complaint(f"{name}: this is not YAML") from None
    except RecursionError:
        raise Complaint(f"{name}: this is nested too deep, or holds itself") from None
    if not isinstance(value, dict):
        raise Complaint(f"{name}: a configuration is a mapping with a model_list")
    return Source(value, {where: f"{name}, line {line}" for where, line in {(): 1, **lines}.items()})


def load(path: Path, above: tuple[Path, ...] = ()) -> Source:
    """A file with what it includes, by paths relative to itself. Lists are joined; of other values its own hold.

    Raises:
        Complaint: one of the files cannot be used, or includes itself.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Complaint(f"{path}: cannot be read: {reason}") from None
    source = read(text, str(path))
    source.files.append(path)
    included = source.value.get("include")
    for number, name in enumerate(included if isinstance(included, list) else ()):
        if not isinstance(name, str):
            continue  # complained about with the rest
        other = path.parent / name
        if other.resolve() in {one.resolve() for one in (*above, path)}:
            raise source.complaint(("include", number), "this file includes itself")
        _join(source, load(other, (*above, path)))
    return source


def prepared(source: Source, environ: Mapping[str, str]) -> None:
    """Lay what entries share under them, and put in what the environment has for values that are no secrets."""
    _lay_under(source)
    source.written = source.value
    source.value = _resolved(source, (), source.value, environ)


def _join(source: Source, other: Source) -> None:
    source.files += other.files
    for key, value in other.value.items():
        mine = source.value.get(key)
        at = len(mine) if isinstance(mine, list) and isinstance(value, list) else 0
        if key == "include":
            continue
        if mine is None:
            source.value[key] = value
        elif isinstance(mine, list) and isinstance(value, list):
            source.value[key] = mine + value
        elif isinstance(mine, dict) and isinstance(value, dict):
            source.value[key] = {**value, **mine}
        for where, place in other.places.items():
            if where[:1] == (key,):
                moved = (
                    (key, where[1] + at, *where[2:]) if at and len(where) > 1 and isinstance(where[1], int) else where
                )
                source.places.setdefault(moved, place)


def _lay_under(source: Source) -> None:
    """`credential_list` by its names, and `default_litellm_params`, under the parameters of each entry."""
    entries, router = source.value.get("model_list"), source.value.get("router_settings")
    shared = router.get("default_litellm_params") if isinstance(router, dict) else None
    credentials = _credentials(source.value.get("credential_list"))
    if not isinstance(entries, list):
        return
    for number, entry in enumerate(entries):
        params = entry.get("litellm_params") if isinstance(entry, dict) else None
        if not isinstance(params, dict):
            continue
        at: Where = ("model_list", number, "litellm_params")
        under: list[tuple[Where, Any]] = [(("router_settings", "default_litellm_params"), shared)]
        if (name := params.get("litellm_credential_name")) is not None:
            if name not in credentials:
                raise source.complaint((*at, "litellm_credential_name"), "there are no such credentials")
            where, values = credentials[name]
            under.insert(0, (where, values))
        made = dict(params)
        for where, values in under:
            for key, value in (values if isinstance(values, dict) else {}).items():
                if key not in made:
                    made[key] = value
                    source.places[*at, key] = source.place((*where, key))
        entries[number] = {**entry, "litellm_params": made}


def _credentials(given: Any) -> dict[str, tuple[Where, Any]]:
    return {
        one["credential_name"]: (("credential_list", number, "credential_values"), one.get("credential_values"))
        for number, one in enumerate(given if isinstance(given, list) else ())
        if isinstance(one, dict) and isinstance(one.get("credential_name"), str)
    }


def _resolved(source: Source, where: Where, value: Any, environ: Mapping[str, str]) -> Any:
    """The value, with what the environment has in place of references."""
    if isinstance(value, list):
        return [_resolved(source, (*where, number), one, environ) for number, one in enumerate(value)]
    if not isinstance(value, dict):
        return environ.get(value.removeprefix(ENVIRON)) if _refers(value) else value
    made = {}
    for key, one in value.items():
        made[key] = one if key in _SECRETS else _resolved(source, (*where, key), one, environ)
        if made[key] is None and _refers(one):
            source.unset[*where, key] = one.removeprefix(ENVIRON)
    return made


def _refers(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(ENVIRON)
