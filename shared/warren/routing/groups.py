"""What a name stands for: a group of deployments by its own name, by an alias, by a wildcard, or one by its id."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from warren.deployments import WILD, Deployment
from warren.routing.rules import Alias


@dataclass(frozen=True, slots=True)
class Group:
    """Deployments that stand in for each other."""

    name: str
    """As the configuration has it: what policies and fallbacks go by."""
    deployments: tuple[Deployment, ...]
    """Those of a wildcard for the model that was asked for."""
    asked: str | None = None
    """That model, of a wildcard."""

    @property
    def key(self) -> str:
        """Tells it from all others, which a wildcard's name alone does not."""
        return self.asked or self.name


class Groups:
    """All names that can be asked for. An exact name goes before an alias, that before an id, and that before the
    wildcard that says the most. `providers`: who can be asked at all.
    """

    def __init__(
        self, deployments: Iterable[Deployment], aliases: Mapping[str, Alias], providers: Container[str]
    ) -> None:
        self._providers = providers
        self._aliases = aliases
        self._exact: dict[str, Group] = {}
        self._ids: dict[str, Group] = {}
        self._wild: dict[str, Group] = {}
        for one in deployments:
            if one.info.blocked:
                continue
            found = self._wild if WILD in one.group else self._exact
            before = found[one.group].deployments if one.group in found else ()
            found[one.group] = Group(one.group, (*before, one))
            if not one.wild:
                self._ids[one.id] = Group(one.id, (one,))
        self._patterns = sorted(self._wild, key=lambda pattern: (-len(pattern), pattern))

    def find(self, model: str) -> Group | None:
        """What is asked for by this name."""
        if (group := self._exact.get(model)) is not None:
            return group
        alias = self._aliases.get(model)
        if alias is not None and alias.group != model and (group := self.find(alias.group)) is not None:
            return group
        return self._ids.get(model) or self._by_wildcard(model)

    def listed(self) -> list[str]:
        """The names to tell of, in the order of the file, aliases last."""
        groups = [*self._exact.values(), *self._wild.values()]
        seen = [group.name for group in groups if any(one.info.discoverable for one in group.deployments)]
        return seen + [name for name, alias in self._aliases.items() if not alias.hidden and name not in seen]

    def _by_wildcard(self, model: str) -> Group | None:
        for pattern in self._patterns:
            before, _, after = pattern.partition(WILD)
            if len(model) > len(before) + len(after) and model.startswith(before) and model.endswith(after):
                matched = model[len(before) : len(model) - len(after)]
                meant = (one.named(matched) for one in self._wild[pattern].deployments)
                found = tuple(one for one in meant if one.provider in self._providers)
                return Group(pattern, found, model) if found else None
        return None
