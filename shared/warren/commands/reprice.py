"""`warren spend reprice`: price calls again that were made before. Needs the master key of a gateway."""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic_settings import SettingsConfigDict

from warren import price_keys
from warren.commands.managing import Json, Managing, opened
from warren.errors import WarrenError
from warren.settings import load


class Repricing(Managing):
    """Price calls again that were made in these days, by the gateway's configuration and prices as they are now. What
    was known before stays beside it. Run it again if it was stopped: nothing is counted twice.
    """

    model_config = SettingsConfigDict(cli_prog_name="warren spend reprice")

    since: str
    """The first day, like 2026-01-31, in UTC."""

    until: str
    """The last day."""

    model: str | None = None
    """Only calls of this one, as the provider calls it."""

    provider: str | None = None
    """Only calls of this one."""

    deployment: str | None = None
    """Only calls of this one."""

    unpriced: bool = False
    """Only calls that have no price."""

    prices: Path | None = None
    """A price file in LiteLLM's format, instead of that of the gateway's configuration."""

    dry_run: bool = False
    """Only tell what would be."""

    def body(self) -> Json:
        """
        Raises:
            WarrenError: the price file cannot be used.
        """
        names = ("model", "provider", "deployment")
        body: Json = {name: value for name in names if (value := getattr(self, name)) is not None}
        body |= {"start_date": self.since, "end_date": self.until, "unpriced": self.unpriced, "dry_run": self.dry_run}
        if self.prices is not None:
            body |= {"prices": _prices(self.prices), "source": self.prices.name}
        return body


def main(arguments: list[str]) -> None:
    wanted = load(Repricing, arguments=arguments)
    try:
        with opened(wanted, "spend/reprice", json.dumps(wanted.body()).encode()) as answer:
            last: Json = {}
            for line in answer:
                last = json.loads(line)
                if sys.stderr.isatty():
                    sys.stderr.write(f"\r{last.get('responses', 0):,} responses")
    except WarrenError as error:
        code = f" ({error.code})" if error.code else ""
        sys.stderr.write(f"warren spend reprice: {error.message}{code}\n")
        raise SystemExit(1) from None
    if last.get("object") != "reprice.end":
        said = last.get("error", {}).get("message", "")
        sys.stderr.write(f"warren spend reprice: it was cut off; run it again. {said}".rstrip() + "\n")
        raise SystemExit(1)
    sys.stdout.write(json.dumps(last) + "\n" if wanted.as_json else _text(last))


def _prices(path: Path) -> dict[str, Any]:
    """What of a price file is prices: the rest is most of it."""
    try:
        entries = json.loads(path.read_bytes())
        made = {
            model: {
                name: value
                for name, value in entry.items()
                if value is not None and (name == "litellm_provider" or price_keys.known(name))
            }
            for model, entry in entries.items()
            if model != "sample_spec"
        }
    except OSError as error:
        raise WarrenError(f"{path}: cannot be read: {error.strerror}", code="invalid_value") from None
    except (AttributeError, ValueError):
        raise WarrenError(f"{path}: this is no price file", code="invalid_value") from None
    return {model: entry for model, entry in made.items() if entry.keys() - {"litellm_provider"}}


def _text(end: Json) -> str:
    would = "would be " if end["dry_run"] else ""
    return (
        f"{end['calls']:,} calls of {end['responses']:,} responses were looked at.\n"
        f"{end['repriced_calls']:,} {would}priced anew, {end['newly_priced_calls']:,} of them for the first time; "
        f"{end['unpriced_calls']:,} have no price.\n"
        f"They cost ${end['spend']}, and ${end['spend_before']} before.\n"
    )
