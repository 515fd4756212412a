"""State keys: joined and split without loss, and nothing else passes for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadKey
from ledgernode.wire.keys import (
    composite_key,
    is_composite,
    simple_key,
    split_composite,
    split_state_key,
    state_key,
)

PLAIN = st.characters(exclude_characters="\x00", exclude_categories=("Cs",))
KINDS = st.text(PLAIN, min_size=1, max_size=8)
PARTS = st.lists(st.text(PLAIN, max_size=8), max_size=4)


@given(KINDS, PARTS)
def test_a_composite_key_splits_into_what_it_was_made_of(kind: str, parts: list[str]) -> None:
    """Empty parts too."""
    assert split_composite(composite_key(kind, *parts)) == (kind, *parts)


@given(KINDS, PARTS, PARTS)
def test_keys_with_as_many_parts_are_never_prefixes_of_each_other(kind: str, one: list[str], two: list[str]) -> None:
    """A scan by whole parts never strays."""
    first, second = composite_key(kind, *one), composite_key(kind, *two)
    if len(one) == len(two) and one != two:
        assert not first.startswith(second)
        assert not second.startswith(first)
    assert first.startswith(second) == (one[: len(two)] == two)


@given(st.text(st.sampled_from("\x00ab"), max_size=8))
def test_what_splits_is_exactly_what_was_joined(key: str) -> None:
    """Anything else is refused."""
    try:
        kind, *parts = split_composite(key)
    except BadKey:
        return
    assert composite_key(kind, *parts) == key
    assert is_composite(key)


@given(st.text(PLAIN, min_size=1, max_size=40))
def test_a_simple_key_is_taken_up_to_the_limit_in_bytes(key: str) -> None:
    """Bytes of UTF-8, not characters."""
    size = len(key.encode())
    assert simple_key(key, size) == key
    assert not is_composite(key)
    with pytest.raises(BadKey):
        simple_key(key, size - 1)


@pytest.mark.parametrize("key", ["", "a\x00b", "\x00", "\ud800", 5, None, b"bytes"])
def test_what_is_no_key_is_refused(key: object) -> None:
    """Empty, with NUL, not text, or not for UTF-8."""
    with pytest.raises(BadKey):
        simple_key(key, 100)  # type: ignore[arg-type]


@pytest.mark.parametrize("parts", [("",), ("a\x00",), ("kind", "a\x00b"), ("kind", 5), (5,)])
def test_what_makes_no_composite_key_is_refused(parts: tuple[str, ...]) -> None:
    """NUL separates, so no part may hold it."""
    with pytest.raises(BadKey):
        composite_key(*parts)


@given(st.from_regex(r"[a-z_][a-z_0-9]{0,10}", fullmatch=True), st.text(st.characters(exclude_categories=("Cs",))))
def test_a_state_key_splits_into_namespace_and_key(namespace: str, key: str) -> None:
    """Composite keys with their NULs too."""
    assert split_state_key(state_key(namespace, key)) == (namespace, key)


def test_a_lone_surrogate_never_reaches_the_store() -> None:
    """A composite key is checked when it becomes bytes."""
    with pytest.raises(BadKey):
        state_key("meters", composite_key("kind", "\udfff"))
