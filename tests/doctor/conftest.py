"""The ledger inside this process, as the tests of the node have it: whose home is looked over."""

from tests.node.conftest import house, served, standing

__all__ = ["house", "served", "standing"]
