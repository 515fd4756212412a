"""The areas of what pages ask: one line for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastapi import APIRouter

from gateway.api import (
    accounts,
    billing,
    consensus,
    exports,
    feeders,
    governance,
    ledger,
    market,
    metering,
    meters,
    names,
    notices,
    points,
    prepaid,
    proofs,
    registry,
    submitting,
    tariffs,
)
from gateway.api.asking import Asking

AREAS: Final[tuple[Callable[[Asking], APIRouter], ...]] = (
    ledger.router,
    submitting.router,
    proofs.router,
    registry.router,
    points.router,
    meters.router,
    names.router,
    governance.router,
    consensus.router,
    accounts.router,
    metering.router,
    prepaid.router,
    tariffs.router,
    billing.router,
    market.router,
    feeders.router,
    notices.router,
    exports.router,
)


def areas(asking: Asking) -> list[APIRouter]:
    """For `gateway.http.app.create_app`."""
    return [router(asking) for router in AREAS]
