"""A proposal's change is read strictly."""

from __future__ import annotations

from typing import Any

import pytest

from ledgernode.errors import BadArguments
from ledgernode.execution.system.changes import (
    KINDS,
    AddValidator,
    ChangeParameters,
    RemoveOrganisation,
    parse_change,
)
from ledgernode.execution.system.examination import EXAMINERS


def test_each_kind_is_read_into_its_own_value() -> None:
    """Defaults are filled in, fields keep their names."""
    assert parse_change("parameters", {"budget": 5}) == ChangeParameters({"budget": 5})
    assert parse_change("remove_organisation", {"name": "acme"}) == RemoveOrganisation("acme", policy="")
    assert parse_change("add_validator", {"certificate": "c", "endpoint": "h:1", "override": True}) == AddValidator(
        "c", "h:1", override=True
    )


def test_every_kind_can_be_examined() -> None:
    """A kind that can be proposed can be decided."""
    assert set(KINDS.values()) == set(EXAMINERS)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("coronation", {}),
        ("policy", {}),
        ("policy", {"policy": 3}),
        ("policy", {"policy": "all", "colour": "red"}),
        ("add_validator", {"certificate": "c", "endpoint": "h:1", "override": "yes"}),
        ("add_organisation", {"name": "acme", "roots": "one", "admins": []}),
        ("add_organisation", {"name": "acme", "roots": ["r"], "admins": ["a"] * 17}),
    ],
)
def test_an_unknown_kind_or_field_is_refused(kind: str, fields: dict[str, Any]) -> None:
    """So that nobody votes on something that half of the nodes would read otherwise."""
    with pytest.raises(BadArguments):
        parse_change(kind, fields)
