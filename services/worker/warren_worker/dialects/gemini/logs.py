"""`logprobsResult`, as the API writes it."""

from itertools import zip_longest
from typing import Any

from warren.objects import Item


def logs(result: Item) -> list[Item]:
    """Of each token its logarithm of probability, and those of what else it might have been."""
    tops = (step.get("candidates") or () for step in result.get("topCandidates") or ())
    return [
        {**_log(chosen), "top_logprobs": [_log(top) for top in tops_of]}
        for chosen, tops_of in zip_longest(result.get("chosenCandidates") or (), tops, fillvalue=())
        if chosen
    ]


def _log(candidate: Any) -> Item:
    token = candidate.get("token") or ""
    return {"token": token, "logprob": candidate.get("logProbability", 0.0), "bytes": list(token.encode())}
