"""The page about providers, made of what makes them: `python -m warren_worker.page` prints it."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files

from warren.config import PROVIDERS, Deployment, Info, Params, Secret
from warren.errors import UpstreamAuth, UpstreamUnreachable
from warren.naming import ALIASES
from warren_worker import facts
from warren_worker.credentials import Aws, Credential, Google
from warren_worker.dialect import Counting, Dialect
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.cohere import Cohere
from warren_worker.dialects.converse import Converse
from warren_worker.dialects.gemini import Gemini
from warren_worker.dialects.messages import Messages
from warren_worker.dialects.ollama import Ollama
from warren_worker.dialects.responses import Responses
from warren_worker.facts import Facts
from warren_worker.parameters import NAMES, Treatment
from warren_worker.provider import Asked, Site, find

DIALECTS: dict[str, Dialect] = {
    "Responses": Responses(),
    "Chat": Chat(),
    "Messages": Messages(),
    "Gemini": Gemini(Facts()),
    "Converse": Converse(Facts()),
    "Cohere": Cohere(Facts()),
    "Ollama": Ollama(Facts()),
}
_SIGNS = {
    Treatment.NATIVE: "=",
    Treatment.TRANSLATED: "~",
    Treatment.OURS: "W",
    Treatment.DROPPABLE: "d",
    Treatment.REFUSED: "–",
}
_FEATURES = {
    "tools": "tools:function",
    "choice of a tool": "tool_choice:function",
    "JSON schema": "text.format:json_schema",
    "reasoning": "reasoning.effort",
    "images": "input:input_image",
    "files": "input:input_file",
    "audio": "input:input_audio",
    "web search": "tools:web_search",
    "logprobs": "top_logprobs",
}
_SAMPLES = {
    "azure_ai": ("gpt-5", "claude-sonnet-5", "MODEL"),
    "bedrock": ("anthropic.claude-sonnet-5", "openai/gpt-6-sol"),
    "databricks": ("databricks-gpt-5-4", "MODEL"),
    "perplexity": ("openai/gpt-5", "sonar-pro"),
    "vertex_ai": ("gemini-3-pro", "claude-sonnet-5", "meta/llama-4"),
}
"""Models by whose names a provider is spoken to in several ways."""
_YOURS = "https://yours.services.ai.azure.com"
"""Where everybody has his own address; Azure's tell what is there."""


@dataclass
class _Variables(Mapping[str, str]):
    """An environment in which nothing is set but what one cannot do without; it knows what it was asked for."""

    set: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        if name not in self.asked:
            self.asked.append(name)
        return self.set[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.set)

    def __len__(self) -> int:
        return len(self.set)


def site(name: str, model: str, *, chat: bool = False) -> tuple[Site, list[str]]:
    """Where this provider has this model if no more is configured than must be, and the variables that it looks for."""
    params = Params(model=f"{name}/{model}", use_chat_completions_api=chat)
    environ = _Variables()
    while True:
        deployment = Deployment(name, name, name, model, params, Info())
        try:
            return find(name).site(Asked(deployment, environ, facts.of(model, Info()))), environ.asked
        except (UpstreamAuth, UpstreamUnreachable):
            wanted = [variable for variable in environ.asked if variable not in environ.set]
            if wanted:
                environ.set[wanted[-1]] = _YOURS if _is_url(wanted[-1]) else "…"
            elif params.api_base is None:
                params = params.model_copy(update={"api_base": Secret(_YOURS)})
            else:
                raise


def _is_url(variable: str) -> bool:
    return variable.endswith(("_BASE", "_ENDPOINT", "_URL", "_HOST"))


def page() -> str:
    text = files("warren_worker").joinpath("page.md").read_text(encoding="utf-8")
    return text.format(
        providers=_providers(),
        features=_features(),
        parameters=_parameters(),
        deviations=_deviations(),
        models=_models(),
        **{treatment.name: _SIGNS[treatment] for treatment in Treatment},
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(map(_code, texts))


def _providers() -> str:
    rows = []
    for name in sorted(PROVIDERS):
        others = [f"{alias}/" for alias, provider in ALIASES.items() if provider == name]
        sites = [site(name, model) for model in _SAMPLES.get(name, ("MODEL",))]
        variables = list(dict.fromkeys(variable for _, asked in sites for variable in asked))
        first = sites[0][0]
        rows.append(
            (
                _codes([f"{name}/", *others]),
                _code(first.base_url) if _YOURS not in first.base_url else "your own",
                _codes(one for one in variables if not _is_url(one)),
                _codes(one for one in variables if _is_url(one)),
                ", ".join(dict.fromkeys(_speech(one) for one, _ in sites)),
                ", ".join(_credentials(first.credential, variables)),
            )
        )
    head = ("`model`", "address", "variables for keys and places", "… for the address", "dialect", "credentials")
    return _table(head, rows)


def _speech(one: Site) -> str:
    spoken = type(one.dialect).__name__
    return f"**{spoken}**" if one.native else spoken


def _credentials(credential: Credential | None, variables: list[str]) -> Iterator[str]:
    if any(variable.endswith(("_KEY", "_TOKEN", "_BEDROCK")) for variable in variables):
        yield "key"
    if any("_CLIENT_SECRET" in variable for variable in variables):
        yield "OAuth client"
    if isinstance(credential, Google):
        yield "Google's"
    if isinstance(credential, Aws):
        yield "AWS's"


def _table_of(one: Site) -> dict[str, Treatment]:
    return {**one.dialect.parameters, **one.parameters}


def _features() -> str:
    rows = []
    for name in sorted(PROVIDERS):
        for model in _SAMPLES.get(name, ("MODEL",)):
            one, _ = site(name, model)
            table = _table_of(one)
            has = [table.get(row, Treatment.REFUSED).taken for row in _FEATURES.values()]
            has += [isinstance(one.dialect, Counting) or one.native, one.remembers]
            label = f"{name}/{model}" if name in _SAMPLES else name
            rows.append((_code(label), *("●" if yes else "" for yes in has)))
    return _table(("provider", *_FEATURES, "counts tokens", "remembers"), rows)


def _parameters() -> str:
    def signs(name: str) -> Iterator[str]:
        return (_SIGNS[dialect.parameters.get(name, Treatment.REFUSED)] for dialect in DIALECTS.values())

    return _table(("parameter", *DIALECTS), ((_code(name), *signs(name)) for name in NAMES))


def _deviations() -> str:
    rows = []
    for name in sorted(PROVIDERS):
        spoken = [site(name, model, chat=chat)[0] for chat in (False, True) for model in _SAMPLES.get(name, ("MODEL",))]
        for dialect, one in {type(one.dialect).__name__: one for one in spoken}.items():
            for treatment in Treatment:
                differ = [key for key, value in one.parameters.items() if value is treatment]
                differ = [key for key in differ if one.dialect.parameters.get(key) is not treatment]
                if differ:
                    rows.append((_code(name), dialect, _SIGNS[treatment], _codes(sorted(differ))))
    return _table(("provider", "dialect", "", "parameters"), rows)


def _models() -> str:
    def told(row: Mapping[str, object]) -> str:
        return ", ".join(f"{name} {_said(value)}" for name, value in row.items())

    escaped = ((_code(pattern.pattern.replace("|", "\\|")), told(row)) for pattern, row in facts.rows())
    return _table(("names", "facts"), escaped)


def _said(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case tuple():
            return " ".join(value)
        case _:
            return str(value)


if __name__ == "__main__":
    sys.stdout.write(page())
