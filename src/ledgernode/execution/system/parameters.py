"""A proposed change of the ledger's numbers, applied to those in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ledgernode.errors import BadArguments, GovernanceRefused
from ledgernode.wire.parameters import Parameters, check_parameters


def changed(parameters: Parameters, changes: Mapping[str, Any]) -> Parameters:
    """The parameters with these fields changed.

    Refuses unknown names and wrong types, what is so already, and numbers that a ledger could not
    live with (they might keep anyone from sending the change that mends them).
    """
    if not changes:
        raise BadArguments("name at least one parameter to change")
    try:
        result = msgspec.convert({**msgspec.to_builtins(parameters), **changes}, type=Parameters)
    except msgspec.ValidationError as error:
        raise BadArguments(f"these are no parameters: {error}") from error
    if result == parameters:
        raise GovernanceRefused("the parameters are so already")
    check_parameters(result)
    return result
