"""What rows of `warren.compatible` become."""

import re
from dataclasses import dataclass

from warren.compatible import Row
from warren_worker.dialect import Dialect
from warren_worker.dialects.chat import Chat
from warren_worker.dialects.responses import Responses
from warren_worker.parameters import Treatment
from warren_worker.provider import Asked, Site


@dataclass(frozen=True, slots=True)
class Compatible:
    name: str
    row: Row

    def site(self, asked: Asked) -> Site:
        row = self.row
        key = asked.key(*row.keys, default=row.key)
        native = row.native and not asked.chat and re.search(row.native_models or "", asked.model) is not None
        dialect: Dialect = Responses(**row.responses) if native else Chat(**row.chat)
        return Site(
            base_url=asked.base(*row.bases, default=row.base_url),
            model=asked.model,
            dialect=dialect,
            headers={**({"authorization": f"Bearer {key}"} if key else {}), **row.headers},
            parameters={name: Treatment(treatment) for name, treatment in row.parameters.items()},
            native=native,
        )
