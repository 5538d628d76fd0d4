"""What is said of one way to use one address of the API."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

Method = Literal["get", "post", "delete"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One way to use one address."""

    method: Method
    path: str
    summary: str
    answer: str
    body: type[BaseModel] | str | None = None
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    stream: bool = False
    table: bool = False
    """As CSV, too."""
    lines: bool = False
    """As JSON Lines only."""
    optional: bool = False
    """The body may be left out."""
    codes: tuple[int, ...] = ()
    """Of the refusals, beside those that every operation has."""
    tag: str = "Responses"

    @property
    def name(self) -> str:
        steps = [step for step in self.path.removeprefix("/v1").split("/") if step and not step.startswith("{")]
        one = "_one" if self.path.endswith("}") else ""
        return "_".join((self.method, *steps)) + one
