"""Who parrots are. Below `warren_worker.providers`, this makes a provider `parrot`."""

from tests.rig.parrot.dialect import PARAMETERS, Parrot
from warren_worker.provider import Asked, Site


class Parrots:
    def site(self, asked: Asked) -> Site:
        return Site(
            base_url=asked.base("PARROT_API_BASE"),
            model=asked.model,
            dialect=Parrot(PARAMETERS),
            headers={"x-cracker": asked.key("PARROT_API_KEY")},
        )


PROVIDER = Parrots()
