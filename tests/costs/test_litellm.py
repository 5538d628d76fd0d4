"""LiteLLM's own calculator as the oracle. `make verify` asks it about ten times as many usages."""

from collections import Counter

import pytest

from tests.costs import explaining
from tests.costs.oracle import compared, models, usages

pytestmark = pytest.mark.long


def agree(count: int) -> None:
    """Whether both say the same of 200 models and so many usages, or why not."""
    seen: Counter[str] = Counter()
    open_: list[object] = []
    for case in compared(models(200), usages(count)):
        if not case.differs:
            seen["the same"] += 1
            continue
        why = explaining.reasons(case)
        if why is None:
            open_.append((case.model.provider, case.model.name, case.said, case.theirs, case.ours))
        seen.update(why or ())
    print(*(f"{number:7,}  {what}" for what, number in seen.most_common()), sep="\n")
    assert not open_, open_[:3]
    assert seen["the same"] > 0.7 * 200 * count
    for reason in (explaining.FREE, explaining.LISTED, explaining.ONE_TOOL, explaining.HOURS, explaining.PERPLEXITY):
        assert seen[reason], reason


@pytest.mark.timeout(300)
def test_litellm_says_the_same_or_it_is_known_why_not() -> None:
    agree(40)


def test_models_of_all_kinds_are_asked_about() -> None:
    chosen = models(200)
    assert len({(model.provider, model.name) for model in chosen}) == 200
    found = {name for model in chosen for name in model.entry}
    for some in (
        "tiered_pricing", "off_peak_pricing", "output_cost_per_reasoning_token", "input_cost_per_audio_token",
        "input_cost_per_token_above_272k_tokens_flex", "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
        "cache_creation_input_token_cost_above_12hr", "provider_specific_entry", "search_context_cost_per_query",
        "web_search_billing_unit", "input_cost_per_image_token", "cache_read_input_audio_token_cost",
    ):  # fmt: skip
        assert some in found
