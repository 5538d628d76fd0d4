"""The few forms of PromQL that most panels have; those in the plural come with their legends."""

EVERY = "$__rate_interval"
MODEL = "gen_ai_request_model"
PROVIDER = "gen_ai_provider_name"
DEPLOYMENT = "warren_deployment"
CODE = "error_type"
FAILED = f'{CODE}!=""'


def legend(*labels: str) -> str:
    """The values of these labels."""
    return " ".join(f"{{{{{label}}}}}" for label in labels)


def rate(counter: str, *by: str, where: str = "") -> str:
    """By second."""
    return _sum(f"rate({counter}{_braces(where)}[{EVERY}])", by)


def rates(counter: str, *by: str, where: str = "") -> dict[str, str]:
    return {legend(*by): rate(counter, *by, where=where)}


def total(counter: str, *by: str) -> dict[str, str]:
    """By how much it has grown in the time that is shown."""
    return {legend(*by): _sum(f"increase({counter}[$__range])", by)}


def gauge(how: str, name: str, *by: str, where: str = "") -> dict[str, str]:
    return {legend(*by): f"{how} by ({', '.join(by)}) ({name}{_braces(where)})"}


def quantile(share: float, histogram: str, *by: str, where: str = "") -> str:
    return f"histogram_quantile({share}, {_sum(f'rate({histogram}_bucket{_braces(where)}[{EVERY}])', ('le', *by))})"


def quantiles(histogram: str, where: str = "") -> dict[str, str]:
    return {f"p{share * 100:g}": quantile(share, histogram, where=where) for share in (0.5, 0.95, 0.99)}


def slow(histogram: str, *by: str, share: float = 0.95, where: str = "") -> dict[str, str]:
    """What one in twenty takes longer than."""
    return {legend(*by): quantile(share, histogram, *by, where=where)}


def mean(histogram: str, *by: str, where: str = "") -> str:
    return f"{rate(f'{histogram}_sum', *by, where=where)} / {rate(f'{histogram}_count', *by, where=where)}"


def _sum(of: str, by: tuple[str, ...]) -> str:
    return f"sum by ({', '.join(by)}) ({of})" if by else f"sum({of})"


def _braces(where: str) -> str:
    return f"{{{where}}}" if where else ""
