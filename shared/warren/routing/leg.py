"""The tries in one group: who is asked next, and when the group is done with.

One try follows another, each at the next deployment of the plan; who has failed is asked again only when the others
have been, after what it asks for or a pause that grows. A deployment that cannot be called costs no try.
"""

from dataclasses import dataclass
from typing import Any

from warren.contracts import Fault, Knobs, Walked
from warren.deployments import Deployment
from warren.errors import DeploymentsCoolingDown, UpstreamError, UpstreamRateLimited, WarrenError
from warren.routing.failures import Verdict, verdict
from warren.routing.planning import Router
from warren.routing.rules import Cause, cause

_PAUSE = 0.2
_FASTER = 4


@dataclass(frozen=True, slots=True)
class Step:
    """Ask this deployment, after so many seconds. Look again after a wait: things may have changed."""

    deployment: Deployment
    wait: float = 0.0


class Leg:
    """`done` says why nobody of the group is asked any more; `told` what became of the last try. `walked`: how far
    another process was in it.
    """

    def __init__(
        self, router: Router, group: str, plan: list[Deployment], knobs: Knobs, walked: Walked | None = None
    ) -> None:
        self.group = group
        self.plan = plan
        self.tries = 0
        """Calls made."""
        self.done: WarrenError | None = None
        self.told: WarrenError | None = None
        self.current: Deployment | None = None
        """Who is being asked."""
        self._router = router
        self._knobs = knobs
        self._asked: list[str] = []
        """In this round through the plan."""
        self._again: dict[str, float] = {}
        """When those may be asked again who have failed, or may not be called for a while."""
        self._limited: set[str] = set()
        self._out: dict[str, WarrenError] = {}
        """Who is not asked any more, and why."""
        if walked is not None:
            self.tries = walked.tries
            self.told = None if walked.last is None else walked.last.error()
            self._asked = list(walked.asked)
            self._again = dict(walked.again)
            self._limited = set(walked.limited)
            self._out = dict.fromkeys(walked.out, self.told or _nobody())

    @property
    def walked(self) -> dict[str, Any]:
        """The part of a `Walked` that is about this; who is being asked was not asked then."""
        return {
            "asked": tuple(self._asked[:-1] if self.current is not None else self._asked),
            "again": self._again,
            "limited": tuple(self._limited),
            "out": tuple(self._out),
            "tries": self.tries,
            "last": None if self.told is None else Fault.of(self.told),
        }

    @property
    def retries(self) -> int:
        """Tries after the first one."""
        return self.tries if self.current is not None else max(0, self.tries - 1)

    def next(self, now: float, patience: float) -> Step | None:
        """The next step; None if the group is done with. No wait is longer than `patience`."""
        self.current = None
        if self.done is not None:
            return None
        left = [one for one in self.plan if one.id not in self._out]
        if not left:
            self.done = next(reversed(self._out.values()), None) or _nobody()
            return None
        waits = {one.id: self._wait(one.id, now) for one in left}
        ready = [one for one in left if waits[one.id] <= 0]
        fresh = [one for one in ready if one.id not in self._asked]
        if fresh:
            return self._take(min(fresh, key=lambda one: self._router.board.down(one.id)))
        if ready:
            self._asked = []
            return self._take(min(ready, key=lambda one: waits[one.id]))
        soonest = min(left, key=lambda one: waits[one.id])
        if self.told is None:
            self.done = self._unavailable(left, waits[soonest.id])
        elif waits[soonest.id] > patience:
            self.done = self.told
        else:
            return Step(soonest, waits[soonest.id])
        return None

    def failed(self, error: WarrenError, now: float, status: int | None, *, called: bool) -> None:
        """This came of the last step."""
        assert self.current is not None
        one, self.current = self.current, None
        self.told = error
        self.tries += called
        why = cause(error.code, status)
        match verdict(error):
            case Verdict.DONE if why is Cause.CONTEXT_WINDOW:
                self._smaller_out(one, error)
            case Verdict.DONE if self._policy(why) is None:
                self.done = error
            case Verdict.ELSEWHERE:
                self._out[one.id] = error
            case _ if not called:
                self._out[one.id] = error
        if self.tries > self._allowed(one, why):
            self.done = error
        self._again[one.id] = now + self._pause(error)

    def unable(self, error: WarrenError, now: float) -> None:
        """The deployment of the last step is not to be called: for as long as the error says, or not at all."""
        assert self.current is not None
        one, self.current = self.current, None
        if error.retry_after is None:
            self._out[one.id] = error
        else:
            self._again[one.id] = now + error.retry_after
            self._limited.add(one.id)

    def _smaller_out(self, failed: Deployment, error: WarrenError) -> None:
        """Too much for this one: only who is known to take more is left."""
        size = failed.info.max_input_tokens
        for one in self.plan:
            more = one.info.max_input_tokens
            if one is failed or size is None or more is None or more <= size:
                self._out[one.id] = error

    def _allowed(self, one: Deployment, why: Cause) -> int:
        """Tries after the first one."""
        own = one.params.num_retries if one.params.num_retries is not None else one.params.max_retries
        said = (self._knobs.num_retries, self._policy(why), own)
        return next((number for number in said if number is not None), self._router.rules.num_retries)

    def _policy(self, why: Cause) -> int | None:
        rules = self._router.rules
        return rules.group_retry_policy.get(self.group, {}).get(why, rules.retry_policy.get(why))

    def _pause(self, error: WarrenError) -> float:
        if error.retry_after is not None:
            pause = error.retry_after
        else:
            rounds = max(0, self.tries - 1) // max(1, len(self.plan))
            pause = _PAUSE * _FASTER ** min(rounds, 8) * (0.75 + self._router.chance() / 2)
        return max(pause, self._router.rules.retry_after)

    def _take(self, one: Deployment) -> Step:
        self.current = one
        self._asked.append(one.id)
        return Step(one)

    def _wait(self, id_: str, now: float) -> float:
        return max(self._router.board.cooling(id_, now), self._again.get(id_, now) - now)

    def _unavailable(self, left: list[Deployment], wait: float) -> WarrenError:
        """Nobody was called, as nobody may be at the moment."""
        board = self._router.board
        if all(one.id in self._limited or cause(board.why(one.id)) is Cause.RATE_LIMIT for one in left):
            return UpstreamRateLimited("All deployments of this model are at their limit.", retry_after=wait)
        return DeploymentsCoolingDown("All deployments of this model have failed lately.", retry_after=wait)


def _nobody() -> WarrenError:
    return UpstreamError("No deployment of this model can be reached.")
