"""Ids: sortable, unguessable, and only their owner's."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren import ids
from warren.ids import Signer

ALPHABET = set("0123456789abcdefghijklmnopqrstuv")
SIGNER = Signer([b"a key"])


@pytest.mark.parametrize("make", [ids.new, lambda prefix: SIGNER.new(prefix, "me")])
def test_an_id_is_short_lower_case_and_fresh(make: Callable[[str], str]) -> None:
    made = [make("resp") for _ in range(1000)]
    assert len(set(made)) == 1000
    for id_ in made:
        assert id_.startswith("resp_")
        assert set(id_.removeprefix("resp_")) <= ALPHABET
        assert len(id_) <= 64


@pytest.mark.parametrize("make", [ids.new, lambda prefix: SIGNER.new(prefix, "me")])
def test_ids_sort_by_the_time_they_were_made(make: Callable[[str], str]) -> None:
    made = []
    for _ in range(5):
        made.append(make("resp"))
        time.sleep(0.002)
    assert made == sorted(made)


def test_an_id_tells_when_it_was_made() -> None:
    before = time.time()
    for id_ in (ids.new("msg"), SIGNER.new("resp", "me")):
        assert before - 0.002 <= ids.born(id_) <= time.time()


@given(st.text())
def test_anything_may_be_asked_for_its_age(text: str) -> None:
    assert ids.born(text) >= 0
    assert ids.born(f"resp_{text}") >= 0


@pytest.mark.parametrize("foreign", ["", "resp", "resp_", "resp_!", "resp_é", "resp_zzzz", "resp_0"])
def test_what_is_no_id_of_ours_is_ages_old(foreign: str) -> None:
    assert ids.born(foreign) == 0.0


@given(st.text(max_size=20), st.text(max_size=20))
def test_an_id_belongs_to_its_account_and_to_no_other(account: str, other: str) -> None:
    id_ = SIGNER.new("resp", account)
    assert SIGNER.owns(account, id_)
    assert SIGNER.owns(other, id_) == (account == other)


@given(st.text())
def test_nobody_owns_what_we_have_not_made(text: str) -> None:
    assert not SIGNER.owns("me", text)
    assert not SIGNER.owns("me", f"resp_{text}")


@given(st.integers(0, 200), st.characters())
def test_an_id_with_any_character_changed_is_nobodys(at: int, character: str) -> None:
    id_ = SIGNER.new("resp", "me")
    at %= len(id_)
    forged = id_[:at] + character + id_[at + 1 :]
    assert SIGNER.owns("me", forged) == (forged == id_)


def test_an_id_is_not_owned_in_another_spelling() -> None:
    id_ = SIGNER.new("resp", "me")
    prefix, text = id_.split("_")
    for forged in (f"conv_{text}", f"{prefix}_{text.upper()}", f"{id_}=", f"{id_} ", f"{id_}0", id_[:-1], text):
        assert not SIGNER.owns("me", forged)


def test_the_first_key_signs_and_all_are_accepted() -> None:
    old, both, new = Signer([b"old"]), Signer([b"new", b"old"]), Signer([b"new"])
    made = both.new("resp", "me")
    assert both.owns("me", old.new("resp", "me"))
    assert new.owns("me", made)
    assert not old.owns("me", made)


def test_a_signer_needs_a_key() -> None:
    with pytest.raises(ValueError, match="key"):
        Signer([])
