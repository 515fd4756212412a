"""A recovery phrase and its key: the same words give the same key, and a slip of the pen is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgernode.errors import PhraseInvalid
from ledgernode.identity.phrase import key_from_phrase, new_phrase

KNOWN = " ".join(["abandon"] * 11 + ["about"])


def test_a_new_phrase_is_twelve_words_and_never_the_same() -> None:
    phrases = {new_phrase() for _ in range(50)}
    assert len(phrases) == 50
    assert all(len(phrase.split()) == 12 for phrase in phrases)
    assert len({key_from_phrase(phrase).public_key for phrase in phrases}) == 50


def test_the_words_give_the_key_whatever_stands_between_them() -> None:
    key = key_from_phrase(KNOWN).public_key
    assert key == key_from_phrase(f"  {KNOWN.upper().replace(' ', chr(10))}\n").public_key
    assert key != key_from_phrase(KNOWN, 1).public_key


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999))
def test_each_account_is_another_key_that_signs(account: int) -> None:
    from ledgernode.identity.keys import verify

    key = key_from_phrase(KNOWN, account)
    assert verify(key.public_key, b"a transfer", key.sign(b"a transfer"))


@pytest.mark.parametrize(
    ("phrase", "told"),
    [
        ("", "this one 0"),
        (" ".join(["abandon"] * 11), "this one 11"),
        (" ".join(["abandon"] * 12), "together they are no phrase"),
        (" ".join(["abandon"] * 10 + ["secretword", "about"]), "by their place, are in no recovery phrase: 11"),
    ],
)
def test_a_phrase_that_is_not_whole_is_refused_without_being_repeated(phrase: str, told: str) -> None:
    with pytest.raises(PhraseInvalid, match=told) as refused:
        key_from_phrase(phrase)
    assert refused.value.code == "PHRASE_INVALID"
    assert "secretword" not in str(refused.value)
    assert "abandon" not in str(refused.value)


@pytest.mark.parametrize("account", [-1, 1_000])
def test_accounts_are_numbered_within_bounds(account: int) -> None:
    with pytest.raises(PhraseInvalid, match="numbered 0 to 999"):
        key_from_phrase(KNOWN, account)
