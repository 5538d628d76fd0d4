"""Sinks: where a line about each request goes, by what the settings or LiteLLM's callbacks call it. Pure.

    stdout                    a line of JSON on the standard output
    file:/var/log/warren.log  the same at the end of a file
    https://siem.example/in   a webhook, signed as Standard Webhooks are, if WARREN_WEBHOOK_SECRET is set
    otlp                      OpenTelemetry's logs, to OTEL_EXPORTER_OTLP_ENDPOINT

LiteLLM's callbacks that are such are known by their names, and read the variables that they read there. Those that are
made for spans get spans: one for each request.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from warren.settings import Complaint

Form = Literal["stdout", "file", "webhook", "logs", "spans"]
Environ = Mapping[str, str]
_OTLP = "http://localhost:4318"
_PATHS = {"logs": "/v1/logs", "spans": "/v1/traces"}


@dataclass(frozen=True, slots=True)
class Sink:
    name: str
    """As it is written in the settings: what is on its way to it is kept under that."""
    form: Form
    place: str = field(default="", repr=False)
    """A path, or a URL."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: bytes | None = field(default=None, repr=False)
    """What a webhook is signed with."""
    failed: bool = True
    """Whether it is told of requests that failed; and of others."""
    others: bool = True

    def wants(self, status: str | None) -> bool:
        return self.failed if status == "failed" else self.others


@dataclass(frozen=True, slots=True)
class Callback:
    """One of LiteLLM's, as the configuration names it."""

    name: str
    failed: bool = True
    others: bool = True


def sink(name: str, environ: Environ) -> Sink:
    """
    Raises:
        Complaint: there is no such sink, or a variable is missing that it needs.
    """
    if name == "stdout":
        return Sink(name, "stdout")
    if name.startswith("file:"):
        return Sink(name, "file", name.removeprefix("file:"))
    if name.startswith(("https://", "http://")):
        return Sink(name, "webhook", name, secret=_secret(environ))
    if name == "otlp":
        return _otlp(name, "logs", environ)
    if name in CALLBACKS:
        return CALLBACKS[name](name, environ)
    known = ", ".join(("stdout", "file:PATH", "a URL", "otlp", *CALLBACKS))
    raise Complaint(f"--request-log: there is no sink {name!r}; there are: {known}")


def called_back(callback: Callback, environ: Environ) -> Sink:
    made = CALLBACKS[callback.name](callback.name, environ)
    return Sink(
        made.name, made.form, made.place, made.headers, made.secret, failed=callback.failed, others=callback.others
    )


def all_of(
    names: Iterable[str], callbacks: Iterable[Callback], environ: Environ, secret: SecretStr | None = None
) -> tuple[list[Sink], list[str]]:
    """All that the settings and the configuration name, each once; and why a callback is told nothing, which is no
    reason not to start. The secret is that of webhooks.

    Raises:
        Complaint: one that the settings name cannot be.
    """
    if secret is not None:
        environ = {**environ, "WARREN_WEBHOOK_SECRET": secret.get_secret_value()}
    made = {name: sink(name, environ) for name in names if name != "none"}
    reports = []
    for callback in callbacks:
        try:
            made.setdefault(callback.name, called_back(callback, environ))
        except Complaint as missing:
            reports.append(f"a callback is told nothing: {missing}")
    return list(made.values()), reports


def _otlp(name: str, form: Literal["logs", "spans"], environ: Environ) -> Sink:
    """Where the OpenTelemetry SDK would send it; LiteLLM's older names of the variables count, too."""
    own = environ.get(f"OTEL_EXPORTER_OTLP_{'LOGS' if form == 'logs' else 'TRACES'}_ENDPOINT")
    place = own or _at(environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get("OTEL_ENDPOINT") or _OTLP, form)
    given = environ.get("OTEL_EXPORTER_OTLP_HEADERS") or environ.get("OTEL_HEADERS") or ""
    return Sink(name, form, place, _headers(given))


def _langfuse(name: str, environ: Environ) -> Sink:
    host = environ.get("LANGFUSE_OTEL_HOST") or environ.get("LANGFUSE_HOST") or "https://cloud.langfuse.com"
    if "://" not in host:
        host = f"https://{host}"
    keys = f"{_needed(name, environ, 'LANGFUSE_PUBLIC_KEY')}:{_needed(name, environ, 'LANGFUSE_SECRET_KEY')}"
    place = host if host.rstrip("/").endswith("/api/public/otel") else f"{host.rstrip('/')}/api/public/otel"
    basic = base64.b64encode(keys.encode()).decode()
    return Sink(name, "spans", _at(place, "spans"), {"authorization": f"Basic {basic}"})


def _arize(name: str, environ: Environ) -> Sink:
    space = environ.get("ARIZE_SPACE_ID") or _needed(name, environ, "ARIZE_SPACE_KEY")
    place = environ.get("ARIZE_HTTP_ENDPOINT") or "https://otlp.arize.com/v1"
    headers = {"space_id": space, "arize-space-id": space, "api_key": _needed(name, environ, "ARIZE_API_KEY")}
    return Sink(name, "spans", _at(place.removesuffix("/v1"), "spans"), headers)


def _phoenix(name: str, environ: Environ) -> Sink:
    place = environ.get("PHOENIX_COLLECTOR_HTTP_ENDPOINT") or environ.get("PHOENIX_COLLECTOR_ENDPOINT")
    key = environ.get("PHOENIX_API_KEY")
    place = place or ("https://app.phoenix.arize.com/v1/traces" if key else "http://localhost:6006/v1/traces")
    return Sink(name, "spans", _at(place, "spans"), {"authorization": f"Bearer {key}"} if key else {})


def _generic(name: str, environ: Environ) -> Sink:
    place = _needed(name, environ, "GENERIC_LOGGER_ENDPOINT")
    return Sink(name, "webhook", place, _headers(environ.get("GENERIC_LOGGER_HEADERS", "")), _secret(environ))


CALLBACKS: Mapping[str, Callable[[str, Environ], Sink]] = {
    "otel": lambda name, environ: _otlp(name, "spans", environ),
    "langfuse": _langfuse,
    "langfuse_otel": _langfuse,
    "arize": _arize,
    "arize_phoenix": _phoenix,
    "generic_api": _generic,
}
"""LiteLLM's names."""


def _at(base: str, form: Form) -> str:
    path = _PATHS[form]
    return base if urlsplit(base).path.endswith(path) else base.rstrip("/") + path


def _headers(text: str) -> dict[str, str]:
    """`name=value,name=value`, as OpenTelemetry writes it."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}


def _secret(environ: Environ) -> bytes | None:
    """Of webhooks: `whsec_` and base64; or any text."""
    given = environ.get("WARREN_WEBHOOK_SECRET")
    if not given:
        return None
    if not given.startswith("whsec_"):
        return given.encode()
    try:
        return base64.b64decode(given.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise Complaint("WARREN_WEBHOOK_SECRET: what follows whsec_ must be base64") from None


def _needed(name: str, environ: Environ, variable: str) -> str:
    if not (value := environ.get(variable)):
        raise Complaint(f"{name} needs the variable {variable}")
    return value
