"""Whether deployments answer, asked once, from wherever this runs: `warren check --probe`."""

import asyncio
from collections.abc import Mapping
from time import time

from warren import ids
from warren.config import Config
from warren.deployments import Deployment
from warren.errors import WarrenError
from warren_worker.checks import checked, say_something
from warren_worker.exchange import Calls
from warren_worker.provider import endpoint
from warren_worker.upstream import Patience, Upstream, connect

PATIENCE = 60.0
"""Seconds that an answer may take."""
_AT_ONCE = 8


async def probe(config: Config, environ: Mapping[str, str]) -> dict[str, str | None]:
    """For each deployment that can be asked: None if it answers, else our code for why it does not."""
    known = config.environ(environ)
    room = asyncio.Semaphore(_AT_ONCE)
    asked = [one for one in map(checked, config.deployments.values()) if one is not None]
    async with connect(Patience(), _AT_ONCE) as upstream:

        async def one(deployment: Deployment) -> str | None:
            async with room:
                return await _answer(upstream, deployment, known)

        said = await asyncio.gather(*(one(deployment) for deployment in asked))
    return {deployment.id: code for deployment, code in zip(asked, said, strict=True)}


async def _answer(upstream: Upstream, deployment: Deployment, environ: Mapping[str, str]) -> str | None:
    try:
        await say_something(Calls(upstream, ids.new("att"), time() + PATIENCE), endpoint(deployment, environ))
    except WarrenError as error:
        return error.code or "invalid_request"
    return None
