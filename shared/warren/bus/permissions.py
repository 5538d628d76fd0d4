"""Users of least privilege at RabbitMQ: what each service may do there, as definitions that RabbitMQ imports.

Nobody may write to the default exchange, which reaches every queue by name. Who only has to see how a queue stands may
write to it: that is the harmless one, since nobody can publish to a queue, and brokers from 4.3.1 on ask for any.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from warren.bus import LOGGED, NAMESPACE, PARTIES, RESUME, ROUTING, TRAFFIC

_NOTHING = "^$"


def definitions(providers: Sequence[str] = (), *, vhost: str = "/", namespace: str = NAMESPACE) -> dict[str, Any]:
    """Permissions of `warren-gateway`, `warren-ledger`, `warren-worker`, of who declares the topology and of who scales
    by the depth of queues. With `providers` there is a user for each one's workers, which sees no other one's jobs.
    """

    def service(
        user: str, own: str, *, writes: Sequence[str], reads: Sequence[str], tells: Sequence[str], hears: Sequence[str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        mine = rf"inbox\.{own}_.*"
        return (
            permission(
                user,
                configure=_names(namespace, [mine]),
                write=_names(namespace, [*writes, "inbox", "events", mine]),
                read=_names(namespace, [*reads, "inbox", "events", mine]),
            ),
            {
                "user": user, "vhost": vhost, "exchange": f"{namespace}.events",
                "write": _topics(tells), "read": _topics(hears),
            },
        )  # fmt: skip

    def permission(user: str, *, configure: str, write: str, read: str) -> dict[str, str]:
        return {"user": user, "vhost": vhost, "configure": configure, "write": write, "read": read}

    workers = {f"warren-worker-{name}": rf"jobs\.{re.escape(name)}" for name in providers}
    services = [
        service(
            "warren-gateway", "warren-gateway", writes=["jobs", "ledger", r"(jobs|ledger|dead)\..+"], reads=[],
            tells=[RESUME, ROUTING, TRAFFIC], hears=[LOGGED, PARTIES, ROUTING, TRAFFIC],
        ),
        service(
            "warren-ledger", "warren-ledger", writes=["jobs"], reads=[r"ledger\.(write|ask)", r"dead\.jobs"],
            tells=[LOGGED, PARTIES, ROUTING, TRAFFIC], hears=[TRAFFIC],
        ),
        *(
            service(
                user, "warren-worker", writes=["jobs", "ledger", r"jobs\..+"], reads=[jobs],
                tells=[ROUTING], hears=[RESUME, ROUTING],
            )
            for user, jobs in (workers or {"warren-worker": r"jobs\..+"}).items()
        ),
    ]  # fmt: skip
    all_of_it = f"^{re.escape(namespace)}\\."
    return {
        "permissions": [
            *(granted for granted, _ in services),
            permission("warren-declare", configure=all_of_it, write=all_of_it, read=all_of_it),
            permission("warren-scaler", configure=_NOTHING, write=_names(namespace, [r"jobs\..+"]), read=_NOTHING),
        ],
        "topic_permissions": [topics for _, topics in services],
    }


def _names(namespace: str, patterns: Iterable[str]) -> str:
    return rf"^{re.escape(namespace)}\.({'|'.join(patterns)})$"


def _topics(names: Sequence[str]) -> str:
    return f"^({'|'.join(names)})$" if names else _NOTHING
