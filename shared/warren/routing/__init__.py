"""Which deployment is asked, when, and which one after it. Pure: time, chance and prices come in as arguments.

`rules` is what a configuration says about it; `contracts.Knobs` what a request does. A gateway plans, a worker walks:
the plan is advice, made of what one process knew, and is looked at again before every call.
"""

from warren.routing.rules import Alias, Cause, Fallbacks, Rules, Strategy, cause

__all__ = ["Alias", "Cause", "Fallbacks", "Rules", "Strategy", "cause"]
