"""Which deployments to try for a request, in which order. Pure: the choice comes in as numbers."""

from collections.abc import Sequence

from warren.deployments import Deployment


def plan(deployments: Sequence[Deployment], *, chances: Sequence[float], holder: str | None = None) -> list[str]:
    """Deployment ids in the order to try them: who holds the session first, the others by weighted chance.

    `chances` are independent uniform numbers in (0, 1], one for each deployment. A deployment of weight w comes
    before one of weight v with probability w / (w + v) (Efraimidis and Spirakis, 2006).
    """
    ranked = sorted(
        zip(deployments, chances, strict=True),
        key=lambda one: one[1] ** (1 / (one[0].params.weight or 1)),
        reverse=True,
    )
    order = [deployment.id for deployment, _ in ranked]
    if holder in order:
        order.remove(holder)
        order.insert(0, holder)
    return order
