"""A deployment: one entry of a configuration's `model_list`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from warren import naming
from warren.params import Info, Params

WILD = "*"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One way to have a model answered."""

    id: str
    group: str
    """The name clients ask for; with a `*` in it, which stands for anything."""
    provider: str
    model: str
    """What the provider calls it."""
    params: Params
    info: Info = field(default_factory=Info)

    @property
    def wild(self) -> bool:
        """Whether who answers depends on what is asked for: `provider` and `model` are not final then."""
        return WILD in self.group and WILD in self.params.model

    @property
    def allowed_fails(self) -> int | None:
        """Failures in a minute that cool it down, if it says so itself."""
        return self.info.allowed_fails

    @property
    def allowed_fails_policy(self) -> Mapping[str, Any]:
        """The same by class of error: `RateLimitErrorAllowedFails` and its like."""
        return self.info.allowed_fails_policy or {}

    @property
    def cooldown_time(self) -> float | None:
        """Seconds; 0 is never."""
        return self.params.cooldown_time

    def named(self, matched: str) -> "Deployment":
        """The deployment of a wildcard, for the part of a name that the `*` of its group stands for."""
        if not self.wild:
            return self
        model = self.params.model.replace(WILD, matched, 1)
        params = self.params
        provider, model = naming.provider(model, params.custom_llm_provider, params.api_base or params.base_url)
        return replace(self, provider=provider, model=model)
