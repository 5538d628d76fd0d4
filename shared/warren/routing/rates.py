"""What deployments cost, to be compared: as far as the configuration itself says it."""

from decimal import Decimal, InvalidOperation

from warren.deployments import Deployment

KEYS = ("input_cost_per_token", "output_cost_per_token")
"""In `litellm_params` or `model_info`, in US dollars."""


def stated(deployment: Deployment) -> Decimal | None:
    """A token in and a token out."""
    said = {**(deployment.info.model_extra or {}), **(deployment.params.model_extra or {})}
    try:
        return sum((Decimal(str(said[key])) for key in KEYS), Decimal(0))
    except (KeyError, InvalidOperation):
        return None
