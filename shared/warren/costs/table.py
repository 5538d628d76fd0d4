"""A price file in LiteLLM's format (`model_prices_and_context_window.json`), and where in it a model's prices are."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

_ROUTES = re.compile(r"^(?:converse|converse_like|invoke|responses|chat_completions|mantle)/")
_REGION = re.compile(r"^[a-z]{2}(?:-[a-z]+)+-\d/")
_CROSS_REGION = re.compile(r"^(?:us|us-gov|eu|apac|jp|au|ca|sa|global)\.(?=[a-z0-9]+\.)")
_PROFILE = re.compile(r"^arn:aws[\w-]*:bedrock:[^:]*:[^:]*:(?:inference-profile|foundation-model)/")
_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "cohere": ("cohere",),
    "openai": ("openai", "text-completion-openai"),
}
"""What entries call the provider of a model with a bare name, beginnings, if not as we do or with more behind it."""


@dataclass(frozen=True, slots=True)
class Table:
    """The prices of many models, by their names."""

    entries: Mapping[str, Mapping[str, Any]]
    source: str
    """What records are to call it."""
    date: str | None = None
    """Of when it is, ISO 8601."""
    _folded: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes, source: str, date: str | None = None) -> "Table":
        """Read a file's content.

        Raises:
            ValueError: it is no price file.
        """
        entries = json.loads(content, parse_float=Decimal)
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise ValueError("a price file is a JSON object with an object for each model")
        return cls.of(entries, source, date)

    @classmethod
    def of(cls, entries: Mapping[str, Mapping[str, Any]], source: str, date: str | None = None) -> "Table":
        made = {name: entry for name, entry in entries.items() if name != "sample_spec"}
        return cls(made, source, date, {name.lower(): name for name in reversed(made)})

    def find(
        self, provider: str, model: str, base_model: str | None = None, region: str | None = None
    ) -> Mapping[str, Any] | None:
        """The entry of this model of a provider; `base_model` is what its configuration says that it is.

        Without that an entry under the bare name must be of this provider, as others have models of the same name.
        """
        if base_model is not None:
            _, slash, rest = base_model.partition("/")
            for name in (f"{provider}/{base_model}", base_model, *([rest] if slash else [])):
                if (entry := self._entry(name)) is not None:
                    return entry
        for name in _names(provider, model, region):
            if (entry := self._entry(f"{provider}/{name}")) is not None:
                return entry
            if (entry := self._entry(name)) is not None and _of(provider, entry):
                return entry
        return None

    def _entry(self, name: str) -> Mapping[str, Any] | None:
        return self.entries.get(name) or self.entries.get(self._folded.get(name.lower(), ""))


def _names(provider: str, model: str, region: str | None) -> Iterator[str]:
    """What a model may be called, the most exact first."""
    if region:
        yield f"{region}/{model}"
    yield model
    bare = _ROUTES.sub("", model)
    if provider == "bedrock":
        bare = _PROFILE.sub("", _ROUTES.sub("", _REGION.sub("", bare)))
        if region:
            yield f"{region}/{bare}"
        yield bare
        yield _CROSS_REGION.sub("", bare)
    else:
        yield bare


def _of(provider: str, entry: Mapping[str, Any]) -> bool:
    """Whether this entry is of this provider."""
    named = str(entry.get("litellm_provider", ""))
    return named == provider or named.startswith(_FAMILIES.get(provider, (f"{provider}_", f"{provider}-")))
