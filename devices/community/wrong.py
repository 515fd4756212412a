"""What a scenario lets go wrong at a meter, as an injection of `devices.physics`."""

from __future__ import annotations

from typing import Final

from devices.community.scenario import Event
from devices.physics.injection import Bypass, Injection, Magnet, PhaseLoss, Stuck, Tampered

WRONG: Final = frozenset({"bypass", "tamper", "phase-loss", "stuck", "magnet"})


def injection(event: Event, house: int) -> Injection:
    """At the house of this number; who plays decides when it acts."""
    share = (event.percent or 0) / 100
    match event.kind:
        case "bypass":
            return Bypass(house=house, share=share)
        case "tamper":
            return Tampered(house=house, counts=share)
        case "phase-loss":
            return PhaseLoss(house=house)
        case "stuck":
            return Stuck(house=house)
        case "magnet":
            return Magnet(house=house, seed=house, often=1.0)
    raise AssertionError(f"{event.kind} happens to no meter")


def said(event: Event) -> str:
    """The same in words, of a meter of a house."""
    match event.kind:
        case "bypass":
            return f"a wire around it takes {event.percent} % of what flows"
        case "tamper":
            return f"it was opened, and counts {event.percent} % of what flows"
        case "phase-loss":
            return "it has lost a phase, and counts two thirds"
        case "stuck":
            return "its registers stand still"
        case "magnet":
            return "a magnet on it, and it is blind"
    raise AssertionError(f"{event.kind} happens to no meter")
