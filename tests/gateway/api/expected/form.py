"""A route, as it is asked in the table of routes and roles, and what each who looks is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.gateway.api.site import Site

ROLES = ("customer", "neighbour", "operator", "foreign", "regulator", "meter", "nobody")
"""Every row names what these are answered, in this order; devices and nobody are refused alike almost everywhere."""


class Row(NamedTuple):
    """`path` with its query, without /api/v1, from the site; `seen` a word for each of customer, neighbour, operator,
    foreign, regulator:

        200     an answer          404     as if it was not there
        n       a list of n items  +       a list of some

    and `checked` looks at the answers by role.
    """

    path: str | Callable[[Site], str]
    seen: str
    checked: Callable[[Site, dict[str, Any]], None] | None = None
    body: Callable[[Site, str], bytes] | None = None
    """What is sent, by who sends it."""
    open: bool = False
    """Needs no session."""
