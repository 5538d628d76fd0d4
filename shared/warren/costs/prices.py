"""What the deployments of a configuration cost.

Where prices are looked for, the first that has one: what the configuration says of the deployment itself, a price file
(its `base_model`, then its region, its provider's name for it, its bare name), `genai-prices`. A cost that the provider
itself states goes before all but the first.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from math import inf
from typing import Any
from urllib.parse import urlsplit

from warren import price_keys as keys
from warren.compatible import ROWS
from warren.config import Deployment, Secret
from warren.contracts import CostLine, Usage
from warren.costs import adjusting, known, tools
from warren.costs.bill import MONEY, Bill, Served, billed
from warren.costs.quantities import quantities
from warren.costs.sheet import Sheet
from warren.costs.table import Table
from warren.spending import Terms

_STATING = frozenset({"litellm_proxy", "openrouter", "perplexity", "xai"})
"""Providers that state what a call costs, in US dollars."""
_FRESH = 60
"""Seconds for which what is known is good: some prices there change with the hour."""
_MOST = 4096
"""Of what is known at a time: a wildcard has as many models as are asked for."""
_HOSTS = {"eu.api.openai.com": "eu", "us.api.openai.com": "us"}
_ANYWHERE = "global"
"""A location of Vertex AI that is none."""
_LISTED = Terms()
"""Nothing more, and nothing less, than what the provider takes by its list."""
_MODEL = "model"
"""What has no price if nothing of it has."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was found for a deployment."""

    deployment: Deployment
    since: float
    until: float
    """When it is good."""
    own: bool
    """The configuration gives prices."""
    sheet: Sheet | None
    uplift: Decimal
    region: str | None


class Prices:
    """The prices of all deployments. `environ` is what references in the configuration are looked up in."""

    def __init__(self, table: Table | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._table = table
        self._environ = environ or {}
        self._kept: dict[tuple[str, str, str | None], _Kept] = {}

    def renew(self, table: Table) -> None:
        """From now on the prices of this table count."""
        self._table = table
        self._kept.clear()

    def apart(self, table: Table | None = None) -> "Prices":
        """The same prices, or those of another price file, for who asks about other times than now."""
        return Prices(table or self._table, self._environ)

    def sheet(self, deployment: Deployment, at: float) -> Sheet | None:
        """The deployment's prices at this time, in seconds since the epoch; None if nobody knows any."""
        return self._found(deployment, at).sheet

    def rate(self, deployment: Deployment, at: float) -> Decimal | None:
        """US dollars for a token in and a token out together, to compare deployments by; None if nobody knows."""
        sheet = self.sheet(deployment, at)
        if sheet is None:
            return None
        rates = sheet.rates(0, None, at)
        return None if rates.input is None or rates.output is None else rates.input + rates.output

    def bill(self, deployment: Deployment, usage: Usage, served: Served, terms: Terms = _LISTED) -> Bill:
        """What a call that used this costs."""
        found = self._found(deployment, served.at, served.region)
        made = adjusting.charged(self._list(found, usage, served), deployment.provider, terms)
        return made if found.region is None else replace(made, region=found.region)

    def _list(self, found: _Kept, usage: Usage, served: Served) -> Bill:
        """What the provider takes for it, by its list."""
        if usage.stated is not None and found.deployment.provider in _STATING and not found.own:
            return billed([CostLine("request", Decimal(1), usage.stated)], [], "provider")
        if found.sheet is None:
            return billed([], [_MODEL] if _used(usage) else [])
        pictures = self._pictures(found.deployment.provider, usage.pictures, served)
        if pictures is None:
            return bill(found.sheet, usage, served, found.uplift)
        others = {name: times for name, times in usage.tools.items() if name != tools.IMAGES}
        made = bill(found.sheet, usage.model_copy(update={"tools": others}), served, found.uplift)
        lines, unpriced = (*made.lines, *pictures.lines), (*made.unpriced, *pictures.unpriced)
        return billed(lines, unpriced, made.source, made.date)

    def _pictures(self, provider: str, used: Usage | None, served: Served) -> Bill | None:
        """What the tool that makes pictures has used; None if nobody says that, or what its model costs."""
        if used is None or served.picture_model is None or not _used(used):
            return None
        entry = self._table.find(provider, served.picture_model, None, None) if self._table is not None else None
        entry = entry or known.entry(provider, served.picture_model, served.at)
        sheet = None if entry is None else _sheet(entry, provider, known.SOURCE, None)
        if sheet is None:
            return None
        made = bill(sheet, used, served)
        lines = tuple(line._replace(what=f"{tools.IMAGES} {line.what}") for line in made.lines)
        return replace(made, lines=lines, unpriced=(tools.IMAGES,) if made.unpriced else ())

    def _found(self, deployment: Deployment, at: float, region: str | None = None) -> _Kept:
        place = deployment.id, deployment.model, region
        found = self._kept.get(place)
        if found is None or found.deployment is not deployment or not found.since <= at < found.until:
            if found is None and len(self._kept) >= _MOST:
                del self._kept[next(iter(self._kept))]
            found = self._kept[place] = self._look(deployment, at, region)
        return found

    def _look(self, deployment: Deployment, at: float, region: str | None) -> _Kept:
        region = region or self._region(deployment)
        own = keys.own(deployment.params.model_extra, deployment.info.model_extra)
        entry, source, date = self._entry(deployment, at, region)
        since, until = (at // _FRESH * _FRESH, (at // _FRESH + 1) * _FRESH) if source == known.SOURCE else (-inf, inf)
        if own:
            entry, source, date = laid_over(own, entry or {}), "config", None
        sheet = None if entry is None else _sheet(entry, deployment.provider, source, date)
        return _Kept(deployment, since, until, bool(own), sheet, _uplift(deployment, sheet, region), region)

    def _entry(
        self, deployment: Deployment, at: float, region: str | None
    ) -> tuple[Mapping[str, Any] | None, str, str | None]:
        provider, base = deployment.provider, deployment.info.base_model
        names = _names(deployment)
        if self._table is not None:
            found = (
                self._table.find(provider, name, base, region if provider == "bedrock" else None) for name in names
            )
            if (entry := next(filter(None, found), None)) is not None:
                return entry, self._table.source, self._table.date
        priced = (known.entry(provider, base or name, at) for name in names)
        return next(filter(None, priced), None), known.SOURCE, None

    def _region(self, deployment: Deployment) -> str | None:
        """Where the deployment is, if its provider's prices depend on that."""
        params = deployment.params
        match deployment.provider:
            case "bedrock":
                return self._value(params.aws_region_name)
            case "vertex_ai":
                return self._value(params.vertex_location)
            case "openai":
                return _HOSTS.get(urlsplit(self._value(params.api_base or params.base_url) or "").hostname or "")
        return None

    def _value(self, given: Secret | None) -> str | None:
        return None if given is None else given.resolve(self._environ)


def _uplift(deployment: Deployment, sheet: Sheet | None, region: str | None) -> Decimal:
    """What all tokens cost more by for where the deployment is."""
    uplift = None
    if sheet is not None and deployment.provider == "openai" and region in keys.RESIDENCY_UPLIFTS:
        uplift = sheet.number(keys.RESIDENCY_UPLIFTS[region])
    elif sheet is not None and deployment.provider == "vertex_ai" and (region or _ANYWHERE) != _ANYWHERE:
        uplift = sheet.number(keys.ENDPOINT_UPLIFT)
    return Decimal(1) if uplift is None else uplift


def _names(deployment: Deployment) -> list[str]:
    """What the model is called here, and by its provider, if that is known to be another name."""
    row = ROWS.get(deployment.provider)
    if row is None or row.rename is None:
        return [deployment.model]
    return list(dict.fromkeys((deployment.model, re.sub(*row.rename, deployment.model))))


def _sheet(entry: Mapping[str, Any], provider: str, source: str, date: str | None) -> Sheet | None:
    """The prices in this entry; None if it cannot be read, as half of it would be a wrong price."""
    try:
        return Sheet(entry, provider, source, date)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None


def bill(sheet: Sheet, usage: Usage, served: Served, uplift: Decimal = Decimal(1)) -> Bill:
    """What a call that used this costs by these prices; all rates of tokens are multiplied by `uplift`."""
    lines: list[CostLine] = []
    unpriced: list[str] = []
    if (second := sheet.per_second) is not None:
        lines.append(CostLine("seconds", Decimal(repr(float(served.seconds))), second))
    else:
        rates = sheet.rates(usage.input_tokens, served.tier, served.at)
        rates = rates.times(MONEY.multiply(uplift, sheet.factor(usage.geo, fast=usage.fast)))
        for what, count in quantities(usage)._asdict().items():
            rate: Decimal | None = getattr(rates, what)
            if count and rate is None:
                unpriced.append(what)
            elif count and rate is not None:
                lines.append(CostLine(what, Decimal(count), rate))
    if (request := sheet.number(keys.REQUEST)) is not None and _used(usage):
        lines.append(CostLine("request", Decimal(1), request))
    for line in tools.charged(usage.tools, sheet, served):
        (unpriced if isinstance(line, str) else lines).append(line)  # type: ignore[arg-type]  # each to its own
    return billed(lines, unpriced, sheet.source, sheet.date)


def laid_over(own: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """A deployment's own prices over what is known of its model.

    Who gives a price for input gives all that is known of it: tiers, thresholds and the cache of a public price mean
    nothing beside it. So with output; and with either, tables that give both.
    """
    read = bool({keys.INPUT, keys.TIERED, *keys.SECONDS} & own.keys())
    said = bool({keys.OUTPUT, keys.TIERED, *keys.SECONDS} & own.keys())

    def stays(name: str) -> bool:
        if name in (keys.TIERED, keys.OFF_PEAK, *keys.SECONDS):
            return not read and not said
        if keys.token_key(name) is None:
            return True
        return not (said if name.startswith("output_") else read)

    return {**{name: value for name, value in entry.items() if stays(name)}, **own}


def _used(usage: Usage) -> bool:
    return bool(usage.input_tokens or usage.output_tokens or any(usage.tools.values()))
