"""Strategies by name, on a command line: `price-follower`, or `cost-plus:degradation_micro=15000,margin_micro=5000`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ledgernode.errors import BadRequest

if TYPE_CHECKING:
    from devices.house.strategy import Strategy

USUAL: Final[Mapping[str, Mapping[str, int]]] = {
    "cost-plus": {"degradation_micro": 20_000},
    "price-follower": {"step_micro": 2_000},
}
"""What a strategy needs to know, where nobody says."""


def strategy_named(text: str, seed: int) -> Strategy:
    """The strategy; refuses a name or a field that there is not."""
    from devices.house.strategy import STRATEGIES

    name, _, given = text.partition(":")
    kind: Any = STRATEGIES.get(name)
    if kind is None:
        raise BadRequest(f"there is no strategy {name!r}: it is one of {', '.join(STRATEGIES)}")
    fields: dict[str, Any] = dict(USUAL.get(name, {}))
    if "seed" in kind.__struct_fields__:
        fields["seed"] = seed
    for part in filter(None, given.split(",")):
        field, _, value = part.partition("=")
        if field not in kind.__struct_fields__:
            raise BadRequest(f"{name} has no {field!r}: it has {', '.join(kind.__struct_fields__)}")
        fields[field] = value
    try:
        made: Strategy = msgspec.convert(fields, kind, strict=False)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise BadRequest(f"{text!r}: {error}") from error
    return made
