"""What the roots of a block and of a batch stand over."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledgernode.wire import merkle
from ledgernode.wire.roots import item_leaves, items_root

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)


@given(st.lists(VALUES, max_size=4))
def test_an_element_has_one_form_whoever_writes_it(elements: list[Any]) -> None:
    """The standard library writes the same: no white space, keys sorted, text unescaped."""
    written = [json.dumps(one, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() for one in elements]
    assert list(item_leaves(elements)) == written


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_the_order_of_keys_does_not_change_an_element(element: dict[str, Any]) -> None:
    """Whatever order a meter sends them in."""
    turned = dict(reversed(element.items()))
    assert items_root([element]) == items_root([turned]) == merkle.root(item_leaves([element]))
