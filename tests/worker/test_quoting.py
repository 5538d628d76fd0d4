"""What a provider says goes on to others without what it quotes."""

from hypothesis import given
from hypothesis import strategies as st

from warren_worker.refusal.quoting import LEFT_OUT, content, without

PROMPT = "Tell my brother Karl-Heinz that the code of the safe in the cellar is 48-15-16-23-42, please."


def test_a_quoted_prompt_is_left_out() -> None:
    assert without(f"Invalid prompt: {PROMPT!r}.", [PROMPT]) == f"Invalid prompt: '{LEFT_OUT}'."


def test_a_part_of_it_is_left_out_too() -> None:
    words = f"This is flagged: '{PROMPT[5:60]}' (cut)"
    assert without(words, ["something else", PROMPT]) == f"This is flagged: '{LEFT_OUT}' (cut)"


def test_numbers_and_keys_are_left_out_however_short() -> None:
    assert without("You must not ask for 48-15-16-23-42.", [PROMPT]) == f"You must not ask for {LEFT_OUT}."
    assert without("Bad credential sk4711-abc given.", ["sk4711-abc"]) == f"Bad credential {LEFT_OUT} given."


def test_what_only_sounds_alike_stays() -> None:
    words = "Invalid value: 'brother'. Supported values are: 'low', 'medium' and 'high'."
    assert without(words, [PROMPT]) == words


def test_names_are_no_content() -> None:
    call = {"type": "function_call", "name": "look_up_the_weather_of_7_days", "call_id": "call_12345678901234567890"}
    said = [{**call, "arguments": '{"city": "Reykjavik"}'}, {"role": "user", "content": [{"text": PROMPT}]}]
    assert list(content(said)) == ['{"city": "Reykjavik"}', PROMPT]


@given(st.text(min_size=24, max_size=400), st.text(max_size=300), st.text(max_size=300))
def test_no_run_of_the_prompt_is_left(prompt: str, before: str, behind: str) -> None:
    told = without(f"{before}{prompt}{behind}", [prompt])
    runs = {prompt[at : at + 24] for at in range(len(prompt) - 23)}
    assert not any(run in told for run in runs if LEFT_OUT not in run)


@given(st.text(max_size=300), st.lists(st.text(alphabet="xyz", max_size=100)))
def test_nothing_else_is_touched(words: str, said: list[str]) -> None:
    if not any(letter in words for letter in "xyz"):
        assert without(words, said) == words
