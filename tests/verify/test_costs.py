"""2,000 random usages of 200 models, against LiteLLM's own calculator: some minutes of it."""

from tests.costs.test_litellm import agree


def test_litellm_says_the_same_of_everything_or_it_is_known_why_not() -> None:
    agree(2000)
