"""What one of the staff proposes and another decides, of whatever contract; and the rules that hold from then on."""

from __future__ import annotations

from gateway.readmodel.changes import Changes
from gateway.readmodel.decoded import Call, Event
from gateway.readmodel.projector.ledger import KEPT_BYTES, clean
from gateway.readmodel.tables.ledger import PROPOSALS, RULES

_OWNERS = ("utility", "feeder", "area")
_RULES = ("RulesChanged", "RulesDecided", "PeerChargesDecided")


def event(out: Changes, call: Call, told: Event) -> None:
    payload = told.payload
    if told.name == "Proposed":
        values = {"kind": payload["kind"], "organisation": payload["organisation"], "proposer": payload["proposer"]}
        arguments = call.arguments if len(call.arguments) <= 16 * KEPT_BYTES else b""
        out.put(
            PROPOSALS,
            contract=told.contract,
            proposal=payload["proposal"],
            function=call.function,
            arguments=clean(arguments.decode("utf-8", "replace")),
            status="open",
            proposed_ms=call.time_ms,
            **values,
        )
    elif told.name in {"Approved", "Withdrawn"}:
        by = payload["approver"] if told.name == "Approved" else payload["withdrawn_by"]
        key = {"contract": told.contract, "proposal": payload["proposal"]}
        out.put(PROPOSALS, **key, status=told.name.lower(), decided_by=by, decided_ms=call.time_ms)
    elif told.name in _RULES:
        owner = next(payload[name] for name in _OWNERS if name in payload)
        kind = told.contract if told.name != "PeerChargesDecided" else "tariff.peer_charges"
        out.put(RULES, contract=kind, owner=owner, from_ms=payload["from_ms"], proposal=proposal_of(call, told))


def proposal_of(call: Call, told: Event) -> str:
    """The proposal that an approving call has carried out."""
    for other in call.events:
        if other.contract == told.contract and other.name == "Approved":
            return str(other.payload["proposal"])
    return ""
