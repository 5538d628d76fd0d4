"""What a key may be used for: which models, and which routes of the API. Pure."""

from collections.abc import Collection

ALL = "llm_api_routes"
"""Every route of the API, as LiteLLM calls them together."""
MANAGEMENT = "management_routes"
"""Those that need the master key; no other key can be given them."""
_PREFIXES = ("/openai/v1/", "/v1/", "/")


def allows_model(patterns: Collection[str], model: str) -> bool:
    """Whether one of these names it: as it is, or up to a `*` at the end. None of them: all are allowed."""
    return not patterns or any(_fits(pattern, model) for pattern in patterns)


def allows_route(patterns: Collection[str], route: str) -> bool:
    """Whether one of these is this route. None of them: all are allowed.

    `route` is a template (`/v1/responses/{response_id}`); patterns are such, or end in `*`, or name a group. The
    prefixes that the API is served under make no difference.
    """
    wanted = bare(route)
    return not patterns or any(pattern == ALL or _fits(bare(pattern), wanted) for pattern in patterns)


def bare(route: str) -> str:
    """A route without the prefix that the API is served under."""
    for prefix in _PREFIXES:
        if route.startswith(prefix):
            return "/" + route.removeprefix(prefix)
    return route


def _fits(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
