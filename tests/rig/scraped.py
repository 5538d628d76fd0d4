"""What a service tells Prometheus, read as Prometheus reads it."""

from collections.abc import Iterator

import httpx
from prometheus_client.parser import text_string_to_metric_families

OURS = frozenset({"target"})


class Scraped:
    """One answer of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.text = text
        families = list(text_string_to_metric_families(text))
        self.kinds = {family.name: family.type for family in families}
        self.samples = [sample for family in families for sample in family.samples]

    @classmethod
    async def of(cls, url: str) -> "Scraped":
        async with httpx.AsyncClient() as client:
            answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/plain")
        return cls(answer.text)

    def rows(self, name: str, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
        """Samples of this name that have these labels; an empty one is one that is not there."""
        for sample in self.samples:
            found = {label: value for label, value in sample.labels.items() if value}
            if sample.name == name and all(found.get(label, "") == value for label, value in labels.items()):
                yield found, sample.value

    def value(self, name: str, **labels: str) -> float:
        """Their sum."""
        return sum(value for _, value in self.rows(name, **labels))
