"""Deployments as a worker can reach them, by the configuration that is in force."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from time import time

from warren.config import Config
from warren.costs import Prices
from warren.deployments import Deployment
from warren.routing.board import Board
from warren.routing.planning import Router
from warren_worker.provider import Endpoint, endpoint

_MOST = 4096
"""Of these: a wildcard has as many models as are asked for."""


class Places:
    """`reload` gives the configuration as its files have it now, or the one in force if they cannot be used."""

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        reload: Callable[[], Config],
        board: Board,
        prices: Prices | None = None,
    ) -> None:
        self.config = config
        self._environ = environ
        self._reload = reload
        self._board = board
        self._prices = prices
        self._endpoints: dict[tuple[str, str, str], Endpoint] = {}

    def configure(self, config: Config) -> None:
        """From now on this is in force."""
        self.config = config
        self._endpoints.clear()

    def router(self, plan: Iterable[str]) -> Router:
        """What the ways of jobs are decided by. A plan with somebody who is not known may be newer than the files as
        they were read.
        """
        if any(name not in self.config.deployments for name in plan):
            self.config = self._reload()
        rate = None if self._prices is None else partial(self._prices.rate, at=time())
        return Router(self.config.groups, self.config.rules, self._board, rate=rate)

    async def find(self, one: Deployment) -> Endpoint:
        """How to reach a deployment.

        Raises:
            UpstreamAuth: it names a key that is not there.
            UpstreamUnreachable: it names an address that is not there.
        """
        place = one.id, one.provider, one.model
        if (found := self._endpoints.get(place)) is None:
            if len(self._endpoints) >= _MOST:
                del self._endpoints[next(iter(self._endpoints))]
            environ = self.config.environ(self._environ)
            terms, tells = self.config.terms, self.config.tells_cost
            found = self._endpoints[place] = endpoint(one, environ, self._prices, terms=terms, tells_cost=tells)
        return found
