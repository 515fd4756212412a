"""The currency's movements as postings: of an account what is available, and what lies in its escrows."""

from __future__ import annotations

from gateway.readmodel.changes import Changes
from gateway.readmodel.decoded import Call, Event
from gateway.readmodel.tables.money import ACCOUNTS, CURRENCY, DISTRIBUTIONS, ESCROWS, ISSUES, POSTINGS


class _Postings:
    """The lines of one event."""

    def __init__(self, out: Changes, call: Call, event: Event) -> None:
        self.out = out
        self.place = {"at_height": call.height, "at_number": event.number}
        self.time_ms = call.time_ms
        self.kind = event.name
        self.purpose = str(event.payload.get("purpose", ""))
        self.lines = 0

    def post(self, account: str, available: int, escrow: int, *, other: str = "", of: str = "") -> None:
        self.lines += 1
        amounts = {"available_minor": available, "escrow_minor": escrow}
        about = {"other": other, "escrow": of, "kind": self.kind, "purpose": self.purpose, "time_ms": self.time_ms}
        self.out.append(POSTINGS, **self.place, line=self.lines, account=account, **amounts, **about)
        self.out.add(ACCOUNTS, account=account, **amounts, postings=1)


def _established(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    values = {"issuer": told["issuer"], "approval_above_minor": told["approval_above_minor"]}
    out.put(CURRENCY, one=1, code=told["code"], **values)


def _issued(out: Changes, call: Call, event: Event) -> None:
    sign = 1 if event.name == "Minted" else -1
    amount = sign * event.payload["amount_minor"]
    _Postings(out, call, event).post(event.payload["account"], amount, 0)
    out.add(CURRENCY, one=1, supply_minor=amount)


def _transferred(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    sender, recipient, amount = told["sender"], told["recipient"], told["amount_minor"]
    postings = _Postings(out, call, event)
    postings.post(sender, -amount, 0, other=recipient)
    postings.post(recipient, amount, 0, other=sender)


def _opened(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    owner, escrow, amount = told["owner"], told["escrow"], told["amount_minor"]
    about = {"keeper": told["keeper"], "beneficiary": told["beneficiary"], "purpose": told["purpose"]}
    out.put(ESCROWS, owner=owner, escrow=escrow, **about)
    out.add(ESCROWS, owner=owner, escrow=escrow, amount_minor=amount)
    _Postings(out, call, event).post(owner, -amount, amount, other=told["keeper"], of=escrow)


def _topped_up(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    owner, escrow, amount = told["owner"], told["escrow"], told["amount_minor"]
    out.add(ESCROWS, owner=owner, escrow=escrow, amount_minor=amount)
    _Postings(out, call, event).post(owner, -amount, amount, of=escrow)


def _released(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    owner, escrow, amount, recipient = told["owner"], told["escrow"], told["amount_minor"], told["recipient"]
    out.add(ESCROWS, owner=owner, escrow=escrow, amount_minor=-amount)
    postings = _Postings(out, call, event)
    postings.post(owner, 0, -amount, other=recipient, of=escrow)
    postings.post(recipient, amount, 0, other=owner, of=escrow)


def _refunded(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    owner, escrow, amount = told["owner"], told["escrow"], told["amount_minor"]
    out.add(ESCROWS, owner=owner, escrow=escrow, amount_minor=-amount)
    _Postings(out, call, event).post(owner, amount, -amount, of=escrow)


def _split(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    out.put(ESCROWS, owner=told["owner"], escrow=told["into"], keeper=told["keeper"])
    out.add(ESCROWS, owner=told["owner"], escrow=told["escrow"], amount_minor=-told["amount_minor"])
    out.add(ESCROWS, owner=told["owner"], escrow=told["into"], amount_minor=told["amount_minor"])


def _distributed(out: Changes, call: Call, event: Event) -> None:
    """Out of many escrows to many accounts, at once."""
    told = event.payload
    keeper = told["keeper"]
    values = {"keeper": keeper, "amount_minor": told["amount_minor"], "purpose": told["purpose"]}
    out.append(DISTRIBUTIONS, at_height=call.height, at_number=event.number, time_ms=call.time_ms, **values)
    postings = _Postings(out, call, event)
    for owner, escrow, amount in told.get("debits", ()):
        out.add(ESCROWS, owner=owner, escrow=escrow, amount_minor=-amount)
        postings.post(owner, 0, -amount, other=keeper, of=escrow)
    for account, amount in told.get("credits", ()):
        postings.post(account, amount, 0, other=keeper)


def _issue_proposed(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    values = {name: told[name] for name in ("kind", "account", "amount_minor", "proposer")}
    out.put(ISSUES, issue=told["issue"], **values, status="open")


def _issue_decided(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    approved = event.name == "IssueApproved"
    by = told["approver"] if approved else told["withdrawn_by"]
    out.put(ISSUES, issue=told["issue"], status="approved" if approved else "withdrawn", decided_by=by)


EVENTS = {
    "currency.CurrencyEstablished": _established,
    "currency.Minted": _issued,
    "currency.Burned": _issued,
    "currency.Transferred": _transferred,
    "currency.EscrowOpened": _opened,
    "currency.EscrowToppedUp": _topped_up,
    "currency.EscrowReleased": _released,
    "currency.EscrowRefunded": _refunded,
    "currency.EscrowSplit": _split,
    "currency.Distributed": _distributed,
    "currency.IssueProposed": _issue_proposed,
    "currency.IssueApproved": _issue_decided,
    "currency.IssueWithdrawn": _issue_decided,
}
