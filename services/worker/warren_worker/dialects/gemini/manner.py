"""How the model at hand is spoken to."""

from dataclasses import dataclass

from warren_worker.facts import Facts


@dataclass(frozen=True, slots=True)
class Manner:
    facts: Facts
    vertex: bool = False

    @property
    def combines(self) -> bool:
        """It is Gemini 3 or newer, as one of which nothing is known, and takes together what older ones take singly."""
        return self.facts.reasoning not in ("none", "budget")
