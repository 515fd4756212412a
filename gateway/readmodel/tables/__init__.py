"""The tables, one module for each area; importing this knows them all."""

from gateway.readmodel.tables import billing, feeders, ledger, market, metering, money, prepaid, registry
from gateway.readmodel.tables.columns import METADATA

__all__ = ["METADATA", "billing", "feeders", "ledger", "market", "metering", "money", "prepaid", "registry"]
