"""How a node stands with a ledger, in one line: the epoch, its engine's own words, its peers, how far behind it is."""

from __future__ import annotations

from typing import Any

from ledgernode.cli.output import counted


def standing(ledger: dict[str, Any]) -> str:
    """Of one ledger of `status_document`."""
    others = [one for one in ledger["validators"] if not one["self"]]
    said = [f"epoch {ledger['epoch']}"]
    if engine := of_engine(ledger):
        said.append(engine)
    if others:
        said.append(f"{sum(one['connected'] for one in others)} of {counted(len(others), 'peer')} reached")
    said.append(f"{counted(ledger['lag'], 'block')} behind" if ledger["lag"] else "up to date")
    if ledger["base_height"]:
        said.append(f"began from block {ledger['base_height']}")
    if ledger["next_execution_height"]:
        said.append(_moving(ledger))
    return ", ".join(said)


def _moving(ledger: dict[str, Any]) -> str:
    """What is decided about the rules, and whether this node's software will do."""
    version, newest = ledger["next_execution_version"], ledger["execution_newest"]
    moves = f"execution version {version} from block {ledger['next_execution_height']} on"
    return moves if version <= newest else f"{moves}: THIS NODE STOPS THERE, it knows {newest} at most, upgrade it"


def of_engine(ledger: dict[str, Any]) -> str:
    """Who leads (PBFT), what is mined (proof of work), how far its log is; nothing where there is nothing to say."""
    match ledger["engine"]:
        case "pbft":
            names = {one["identity"]: one["organisation"] for one in ledger["validators"]}
            return f"view {ledger['view']} led by {names.get(ledger['leader'], 'nobody known')}"
        case "pow":
            head, hashes = ledger["branch_height"], ledger["block_hashes"]
            return f"heaviest branch at {head}, a block takes {hashes:,} hashes"
        case "jetstream":
            height = ledger["branch_height"]
            return f"its log is at {height:,}" if height else "its log was not reached yet"
        case _:
            return ""
