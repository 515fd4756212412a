"""The contract `evidence`: what a validator has signed and cannot honestly have signed.

Two votes of one validator that contradict each other (`wire.voting`) are a fault that anyone can check with the
validator set of their epoch. A validator that notices one reports it; so may an operator, an admin or a regulator
who holds the two votes. The reporter is believed nothing: the votes carry their author's signatures.

A fault is recorded once, whoever reports it, and stands for ever. It changes nothing else: whether a member is
removed, its organisation decides with the others (`governance`).
"""

from __future__ import annotations

from chaincode.api import Contract, Record, Refusal, query, transaction
from ledgernode.errors import BadArguments, BadProof, BadSignature, UnknownFault, WrongChain
from ledgernode.execution.system.access import SIGNATURE_UNITS, SystemContext, answered, require_direct
from ledgernode.execution.system.index import entry, page_of
from ledgernode.execution.system.standing import chain_of_ledger, members_in
from ledgernode.identity.keys import verify
from ledgernode.identity.records import EVIDENCE, Role, ValidatorRecord, fault_key, faults_of_key
from ledgernode.wire.types import IdentityId
from ledgernode.wire.voting import SignedVote, Vote, contradict, encode_signed, fault_id, parse_signed, read_vote

RECORDED_PER_EPOCH = 16
"""Faults of one member in one epoch: more of them would prove nothing new."""
REPORTERS = (Role.VALIDATOR, Role.OPERATOR, Role.ADMIN, Role.REGULATOR)
_BY_ORGANISATION = "organisation"
_BY_EPOCH = "epoch"
_COUNTED = "counted"


class NoContradiction(Refusal):
    """The votes are on different things, or for the same: an honest validator may cast both."""

    code = "NO_CONTRADICTION"


class NoMember(Refusal):
    """Nobody of this identity had a seat in the epoch of the votes."""

    code = "NO_MEMBER"


class EnoughRecorded(Refusal):
    """This member's faults in this epoch fill what is recorded of one."""

    code = "ENOUGH_RECORDED"


class Fault(Record):
    """Two votes that contradict each other, in hex as they were signed, each followed by its signature.

    `ballot` is "order" or "block"; only an order vote has a phase and a view, and its `height` is the sequence.
    """

    id: str
    member: str
    organisation: str
    public_key: str
    ballot: str
    epoch: int
    height: int
    view: int
    phase: str
    first: str
    second: str
    reporter: str
    reported_by: str
    recorded_height: int
    recorded_ms: int


class FaultPage(Record):
    """Some faults, by epoch, and where to go on ('' at the end)."""

    items: tuple[Fault, ...]
    bookmark: str


class Evidence(Contract):
    name = EVIDENCE
    version = "1"

    @transaction
    def report(self, ctx: SystemContext, member: str, first: str, second: str) -> str:
        """Record that a validator has contradicted itself; answers the fault's id, also when it is recorded already.

        Refuses votes that cannot be read, are of another ledger or contradict nothing, a member that had no
        seat in their epoch, signatures that are not its own, and more faults of it in an epoch than the limit.
        """
        require_direct(ctx, *REPORTERS)
        votes = sorted((_signed(first), _signed(second)))
        vote = _contradicted(ctx, votes)
        fault = fault_id(_identity(member), votes[0].message).hex()
        if ctx.get(fault_key(fault)) is None:
            self._record(ctx, fault, vote, votes, _member(ctx, member, vote.epoch))
        return fault

    def _record(
        self, ctx: SystemContext, fault: str, vote: Vote, votes: list[SignedVote], member: ValidatorRecord
    ) -> None:
        counted = entry(_COUNTED, member.identity, _padded(vote.epoch))
        before = ctx.get(counted, int) or 0
        if before >= RECORDED_PER_EPOCH:
            raise EnoughRecorded(f"{before} faults of {member.identity[:16]} in epoch {vote.epoch} are recorded")
        _require_signed(ctx, votes, bytes.fromhex(member.public_key))
        ctx.put(counted, before + 1)
        ctx.put(faults_of_key(member.identity), (ctx.get(faults_of_key(member.identity), int) or 0) + 1)
        phase = "" if vote.phase is None else vote.phase.name.lower()
        first, second = (encode_signed(signed).hex() for signed in votes)
        recorded = Fault(
            id=fault,
            member=member.identity,
            organisation=member.organisation,
            public_key=member.public_key,
            ballot=vote.ballot.value,
            epoch=vote.epoch,
            height=vote.height,
            view=vote.view,
            phase=phase,
            first=first,
            second=second,
            reporter=ctx.creator.id,
            reported_by=ctx.creator.organisation,
            recorded_height=ctx.height,
            recorded_ms=ctx.time_ms,
        )
        ctx.put(fault_key(fault), recorded)
        ctx.put(entry(_BY_ORGANISATION, member.organisation, _padded(vote.epoch), fault), True)
        ctx.put(entry(_BY_EPOCH, _padded(vote.epoch), fault), True)
        ctx.emit(
            "Equivocated",
            fault=fault,
            member=member.identity,
            organisation=member.organisation,
            ballot=vote.ballot.value,
            epoch=vote.epoch,
            height=vote.height,
            reported_by=ctx.creator.organisation,
        )

    # ------------------------------------------------------------ queries

    @query
    def fault(self, ctx: SystemContext, fault: str) -> Fault:
        """One fault with its votes."""
        return answered(_found(ctx, fault))

    @query
    def list(
        self, ctx: SystemContext, organisation: str = "", epoch: int = -1, size: int = 50, bookmark: str = ""
    ) -> FaultPage:
        """Faults by epoch, of one organisation's validators or of one epoch if that is given."""
        at_epoch = () if epoch < 0 else (_padded(epoch),)
        listed = (_BY_ORGANISATION, organisation) if organisation else (_BY_EPOCH,)
        page = page_of(ctx, *listed, *at_epoch, size=size, bookmark=bookmark)
        items = tuple(_found(ctx, fault) for fault, _ in page.items)
        return answered(FaultPage(items=items, bookmark=page.bookmark))


def _found(ctx: SystemContext, fault: str) -> Fault:
    found = ctx.get(fault_key(fault), Fault)
    if found is None:
        raise UnknownFault(f"no fault {fault[:16]} is recorded on this ledger")
    return found


def _signed(text: str) -> SignedVote:
    try:
        return parse_signed(bytes.fromhex(text))
    except (ValueError, BadProof) as error:
        raise BadArguments("a vote is given in hex, as it was signed, followed by its signature") from error


def _identity(text: str) -> IdentityId:
    try:
        return IdentityId(bytes.fromhex(text))
    except ValueError as error:
        raise BadArguments("a member is named by its identity, in hex") from error


def _contradicted(ctx: SystemContext, votes: list[SignedVote]) -> Vote:
    """What both votes are on; refuses votes of another ledger, and two that contradict nothing."""
    first, second = (signed.message for signed in votes)
    vote = read_vote(first)
    if vote.chain_id != chain_of_ledger(ctx):
        raise WrongChain(f"the votes are of chain {vote.chain_id.hex()[:16]}, which is not this ledger")
    if not contradict(first, second):
        raise NoContradiction("a contradiction is two votes on the same thing, for different things")
    return vote


def _member(ctx: SystemContext, identity: str, epoch: int) -> ValidatorRecord:
    found = next((seat for seat in members_in(ctx, epoch) if seat.identity == identity), None)
    if found is None:
        raise NoMember(f"{identity[:16]} had no seat in epoch {epoch}")
    return found


def _require_signed(ctx: SystemContext, votes: list[SignedVote], public_key: bytes) -> None:
    ctx.charge(SIGNATURE_UNITS * len(votes))
    if not all(verify(public_key, signed.message, signed.signature) for signed in votes):
        raise BadSignature("a signature under these votes is not the member's")


def _padded(epoch: int) -> str:
    """So that text sorts as the numbers do."""
    return f"{epoch:016x}"
