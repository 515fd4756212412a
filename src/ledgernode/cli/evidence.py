"""Validators that voted for two things at once: what the ledger holds against them, and a check of it."""

from __future__ import annotations

from typing import Any

import click

from ledgernode.cli.ask import Speaker
from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.output import facts, json_option, moment, short, show, table

_CONTRACT = "evidence"


@click.group()
def evidence() -> None:
    """Look at what validators have signed and cannot honestly have signed."""


@evidence.command("list")
@click.option("--organisation", default="", help="Only validators of this organisation.")
@click.option("--epoch", type=click.IntRange(min=0), help="Only votes of this epoch.")
@network_options
@json_option
def list_faults(organisation: str, epoch: int | None, at: Connection, as_json: bool) -> None:
    """List the faults that are recorded, by epoch.

    \b
    ledgernode evidence list
    ledgernode evidence list --organisation north --json
    """
    chosen = -1 if epoch is None else epoch
    with Speaker(at) as speaker:
        found = list(speaker.pages(_CONTRACT, "list", organisation=organisation, epoch=chosen))
    columns = ("fault", "validator of", "identity", "epoch", "voted twice on", "reported by", "recorded (UTC)")
    rows = (
        (
            short(one["id"]),
            one["organisation"],
            short(one["member"]),
            one["epoch"],
            _subject(one),
            one["reported_by"],
            moment(one["recorded_ms"]),
        )
        for one in found
    )
    nothing = "no validator is known to have contradicted itself"
    show({"faults": found}, as_json, table(columns, rows, numbers=("epoch",)) if found else nothing)


@evidence.command("show")
@click.argument("fault", metavar="ID")
@network_options
@json_option
def show_fault(fault: str, at: Connection, as_json: bool) -> None:
    """Show one fault with both votes, and check them here: ID as `list` gives it, or its first digits.

    \b
    ledgernode evidence show 9f2c41d07a55e1b8
    """
    with Speaker(at) as speaker:
        found = speaker.ask(_CONTRACT, "fault", fault=_whole(speaker, fault))
        members = speaker.ask("governance", "members_in", epoch=found["epoch"])
    key = next((member["public_key"] for member in members if member["identity"] == found["member"]), "")
    holds = _holds(found, key)
    show(
        {**found, "holds": holds},
        as_json,
        facts(
            (
                ("fault", found["id"]),
                ("validator", f"{short(found['member'])} of {found['organisation']}"),
                ("epoch", found["epoch"]),
                ("voted twice on", _subject(found)),
                ("for", _choice(found["first"])),
                ("and for", _choice(found["second"])),
                ("checked here", "both signatures are its own" if holds else "DOES NOT HOLD: do not rely on this node"),
                ("reported by", f"{found['reported_by']} ({short(found['reporter'])})"),
                ("recorded", f"{moment(found['recorded_ms'])} UTC, block {found['recorded_height']}"),
            )
        ),
        *(_advice(found) if holds else ()),
    )


def _whole(speaker: Speaker, fault: str) -> str:
    """The id that begins like this, where one does."""
    ids = (one["id"] for one in speaker.pages(_CONTRACT, "list")) if len(fault) < 64 else ()
    return next((known for known in ids if known.startswith(fault.lower())), fault)


def _holds(found: dict[str, Any], public_key: str) -> bool:
    """Do both votes contradict each other, under signatures of the key that the set of their epoch names?"""
    from ledgernode.identity.keys import verify
    from ledgernode.wire.voting import contradict, parse_signed

    first, second = (parse_signed(bytes.fromhex(found[name])) for name in ("first", "second"))
    signed = all(verify(bytes.fromhex(public_key), vote.message, vote.signature) for vote in (first, second))
    return signed and contradict(first.message, second.message)


def _subject(found: dict[str, Any]) -> str:
    if found["ballot"] == "block":
        return f"block {found['height']}"
    return f"{found['phase']} of sequence {found['height']}, view {found['view']}"


def _choice(signed: str) -> str:
    from ledgernode.wire.voting import parse_signed, read_vote

    return read_vote(parse_signed(bytes.fromhex(signed)).message).choice.hex()


def _advice(found: dict[str, Any]) -> tuple[str, ...]:
    return (
        "",
        "Its owner should find out why: a stolen key, one key in two nodes, or an old disk restored. To remove it:",
        f'  ledgernode governance propose remove_validator \'{{"identity": "{found["member"]}"}}\'',
    )
