"""The page about providers says what the tables say."""

from pathlib import Path

from warren.config import PROVIDERS
from warren_worker.page import DIALECTS, page, site
from warren_worker.parameters import NAMES

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_provider_and_every_parameter_is_on_it() -> None:
    text = page()
    for name in PROVIDERS:
        assert f"\n| `{name}/`" in text
    for name in NAMES:
        assert f"\n| `{name}` |" in text


def test_every_dialect_that_is_spoken_has_a_column() -> None:
    spoken = {type(site(name, "MODEL", chat=chat)[0].dialect).__name__ for name in PROVIDERS for chat in (False, True)}
    assert spoken <= set(DIALECTS)
    assert {type(dialect).__name__ for dialect in DIALECTS.values()} == set(DIALECTS)


def test_the_variables_of_a_provider_are_those_it_looks_for() -> None:
    assert site("anthropic", "MODEL")[1] == [
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_API_BASE",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_API_KEY",
    ]
