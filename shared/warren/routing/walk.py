"""The way of one request: from the group that was asked for, as long as groups fail, to the fallbacks for their errors.

Each group has its own plan, tries and fallbacks, and is gone through once.
"""

from collections.abc import Iterable

from warren.contracts import Fault, Knobs, Target, Walked
from warren.deployments import Deployment
from warren.errors import WarrenError
from warren.routing.failures import Verdict, verdict
from warren.routing.fallbacks import ahead
from warren.routing.groups import Group
from warren.routing.leg import Leg, Step
from warren.routing.planning import Router, Wish, plan
from warren.routing.rules import Rules

PATIENCE = 60.0
"""The longest wait for a deployment, in seconds."""
ELSEWHERE = 3.0
"""The same where there is another group to go on to."""


class Walk:
    """Ask for the `next` step, tell what became of it: `failed`, or `unable` if it was not to be called. A walk may go
    on in another process, from where its state (`walked`) says. `planned`: what was planned elsewhere for the first
    group.

    Raises:
        ModelNotFound: nothing has this name.
        InvalidRequest: nothing of that name is for such requests.
    """

    def __init__(
        self,
        router: Router,
        model: str,
        knobs: Knobs,
        wish: Wish,
        now: float,
        *,
        planned: Iterable[str] = (),
        walked: Walked | None = None,
    ) -> None:
        self._router = router
        self._knobs = knobs
        self._wish = wish
        self._final: WarrenError | None = None
        self.left_for: WarrenError | None = None
        """Why the last group was left for another one."""
        self._told: WarrenError | None = None
        """What is told if nothing better comes: what became of the group that was asked for."""
        if walked is None:
            self.target = Target(model=model)
            """What is being asked."""
            group = router.known(model)
            self._seen: tuple[str, ...] = (group.key,)
            self._ahead: tuple[Target, ...] = ()
            self._retries = 0
            """In the groups before this one."""
            self._leg = Leg(router, group.name, _known(group, planned) or plan(router, group, wish, now), knobs)
            return
        self.target = walked.at
        self._seen, self._ahead, self._retries = walked.seen, walked.ahead, walked.retries
        self._told = None if walked.told is None else walked.told.error()
        group = router.known(walked.at.model)
        self._leg = Leg(router, group.name, _known(group, walked.plan) or plan(router, group, wish, now), knobs, walked)

    @property
    def walked(self) -> Walked:
        """How far it is; the step that was given last has not been taken then."""
        return Walked(
            at=self.target,
            plan=self.planned,
            retries=self._retries,
            seen=self._seen,
            ahead=self._ahead,
            told=None if self._told is None else Fault.of(self._told),
            **self._leg.walked,
        )

    @property
    def rules(self) -> Rules:
        return self._router.rules

    @property
    def planned(self) -> tuple[str, ...]:
        """The plan of this group."""
        return tuple(one.id for one in self._leg.plan)

    @property
    def group(self) -> str:
        """By which rules go."""
        return self._leg.group

    @property
    def key(self) -> str:
        """The name of what is asked; of a wildcard, that of the model."""
        return self._seen[-1]

    @property
    def fallbacks(self) -> int:
        """Groups that it has gone on to."""
        return len(self._seen) - 1

    @property
    def retries(self) -> int:
        """Tries after the first one of each group."""
        return self._retries + self._leg.retries

    def next(self, now: float) -> Step:
        """
        Raises:
            WarrenError: why nobody is left to be asked.
        """
        while self._final is None:
            coming = self._leg.told is not None and self._coming(self._leg.told)
            if (step := self._leg.next(now, ELSEWHERE if coming else PATIENCE)) is not None:
                return step
            self._leave(now)
        raise self._final

    def failed(self, error: WarrenError, now: float, *, status: int | None = None, called: bool = True) -> None:
        """This came of the last step; `status` is what the provider answered. Not `called`: it did not come to that."""
        self._leg.failed(error, now, status, called=called)
        if self.fallbacks == 0:
            self._told = error
        if verdict(error) is Verdict.FINAL:
            self._final = error

    def unable(self, error: WarrenError, now: float) -> None:
        """The deployment of the last step is not to be called: for as long as the error says, or not at all."""
        self._leg.unable(error, now)

    def abort(self, error: WarrenError) -> None:
        """The whole group fails with this, without a call."""
        self._leg.done = error

    def _leave(self, now: float) -> None:
        """Go on to the next group; there is none: that is the end."""
        assert self._leg.done is not None
        if self.fallbacks == 0:
            self._told = self._leg.done
        coming = self._coming(self._leg.done)
        if not coming:
            self._final = self._told or self._leg.done
            return
        self.left_for = self._leg.done
        self.target, *rest = coming
        group = self._router.known(self.target.model)
        self._ahead = tuple(rest)
        self._seen = (*self._seen, group.key)
        self._retries += self._leg.retries
        self._leg = self._begun(group, now)

    def _begun(self, group: Group, now: float) -> Leg:
        """The tries in a group that somebody is sent on to; if it has nobody for him, it is done with already."""
        try:
            planned = plan(self._router, group, self._wish, now)
        except WarrenError as error:
            leg = Leg(self._router, group.name, [], self._knobs)
            leg.done = error
            return leg
        return Leg(self._router, group.name, planned, self._knobs)

    def _coming(self, error: WarrenError) -> list[Target]:
        """Where to go on if this group ends with that: to its own fallbacks, then to what was ahead anyway."""
        if self.fallbacks >= self._router.rules.max_fallbacks or self._knobs.disable_fallbacks:
            return []
        own = ahead(error, (self.target.model, self.group), self._router.rules, self._knobs)
        return [one for one in (*own, *self._ahead) if self._is_new(one)]

    def _is_new(self, target: Target) -> bool:
        group = self._router.groups.find(target.model)
        return group is not None and group.key not in self._seen


def _known(group: Group, planned: Iterable[str]) -> list[Deployment]:
    """Those of a plan that was made elsewhere that are in this group here, too."""
    here = {one.id: one for one in group.deployments}
    return [here[id_] for id_ in planned if id_ in here]
