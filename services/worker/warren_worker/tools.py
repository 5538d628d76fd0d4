"""The tools of a request that a model calls by name, and their names where namespaces are not known."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from warren.objects import Item


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool, and where in the request it stands."""

    given: Item
    path: str
    namespace: Item | None = None

    @property
    def kind(self) -> Any:
        return self.given.get("type")

    @property
    def name(self) -> Any:
        return self.given.get("name")

    @property
    def flat(self) -> str:
        """Its name for those who know no namespaces."""
        return flat(self.name, self.namespace["name"] if self.namespace is not None else None)


def flat(name: str, namespace: str | None) -> str:
    return f"{namespace}__{name}" if namespace else name


def tools(given: Iterable[Item]) -> Iterator[Tool]:
    """All of them, those inside of namespaces one by one."""
    for at, tool in enumerate(given):
        match tool:
            case {"type": "namespace", "name": str(), "tools": list(inner)}:
                for number, one in enumerate(inner):
                    yield Tool(one, f"tools[{at}].tools[{number}]", tool)
            case _:
                yield Tool(tool, f"tools[{at}]")


def named(request: Mapping[str, Any]) -> dict[str, Tool]:
    """What a model may call, by its flat name."""
    return {
        tool.flat: tool
        for tool in tools(request.get("tools") or ())
        if tool.kind in ("function", "custom") and isinstance(tool.name, str)
    }
