"""A gateway, from its settings to a listening socket."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from warren.bus import Bus
from warren.config import Config
from warren.hearing import Hearing
from warren.ids import Signer
from warren.outbound import PUBLIC
from warren.pricing import kept
from warren.reloading import Enact, Reloader
from warren.routing import cooling
from warren.routing.board import Board
from warren.settings import secret_keys
from warren_gateway import measured
from warren_gateway.app import build
from warren_gateway.auth import Keys
from warren_gateway.dispatch import Dispatch, dispatching
from warren_gateway.gateway import Gateway
from warren_gateway.parties import knowing
from warren_gateway.room import Room
from warren_gateway.server import listen, serving
from warren_gateway.settings import HttpSettings, guard, master_key
from warren_gateway.tail import Logs, following
from warren_gateway.watch import Watch


@asynccontextmanager
async def gateway(
    bus: Bus, config: Config, settings: HttpSettings, key: str | None, reloader: Reloader | None = None
) -> AsyncIterator[str]:
    """Serve HTTP while open; gives the base URL. Leaving lets what runs end, and ends the rest at the drain deadline.
    With a `reloader`, by whichever configuration is in force.

    Raises:
        Complaint: the address cannot be served, or must not be without a key.
    """
    guard(settings.host, key)
    bound = listen(settings.host, settings.port)
    secrets = secret_keys(settings.secret, key)
    board = Board()
    _configure(board, config)
    ears = Hearing(bus, board)
    watch = Watch()
    async with (
        dispatching(bus, ears.restored) as dispatch,
        following(bus) as logs,
        knowing(bus, secrets) as parties,
        ears.open(),
        watch.open(bus, lambda: dispatch.under_way),
        kept(config.price_file, os.environ, PUBLIC) as prices,
    ):
        state = Gateway(
            bus=bus,
            dispatch=dispatch,
            logs=logs,
            config=config,
            keys=Keys(key, parties),
            parties=parties,
            signer=Signer(secrets),
            request_timeout=settings.request_timeout,
            background_timeout=settings.background_timeout,
            websocket_seconds=settings.websocket_seconds,
            trusts_traceparent=settings.trust_traceparent,
            board=board,
            prices=prices,
            room=Room(settings.body_memory * 1024 * 1024),
            watch=watch,
            readable=frozenset(settings.ops_content),
            trace_url=settings.trace_url,
        )
        if reloader is not None:
            reloader.follow(partial(_prepare, state, settings))
        async with (
            measured.queues(state),
            serving(
                build(state), bound, drain=settings.drain, lame_duck=settings.lame_duck, keep_alive=settings.keep_alive
            ),
        ):
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            try:
                yield f"http://{host}:{bound.getsockname()[1]}"
            finally:
                state.draining = True
                late = asyncio.create_task(_end_late(dispatch, logs, settings.drain))
        late.cancel()


def _prepare(state: Gateway, settings: HttpSettings, config: Config) -> Enact:
    key = master_key(settings, config)
    guard(settings.host, key)

    def enact() -> None:
        state.config = config
        _configure(state.board, config)
        state.keys = Keys(key, state.parties)

    return enact


def _configure(board: Board, config: Config) -> None:
    terms = cooling.terms(config.rules, config.deployments.values())
    board.configure(terms.get, by_checks=config.rules.health_check_routing)


async def _end_late(dispatch: Dispatch, logs: Logs, drain: float) -> None:
    """End what still runs at the drain deadline; who follows a response that runs elsewhere comes again."""
    await asyncio.sleep(drain)
    logs.close()
    await dispatch.close()
