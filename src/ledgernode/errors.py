"""Every refusal the ledger can give, as one tree.

Each leaf carries a stable ``code`` (the same on gRPC, HTTP, the command line and in receipts) and a
``kind`` that says whose fault it is and what a caller can do about it. Raise the leaf with its
facts; the text is for people, the code is for programs. ``docs/errors.md`` is printed from here:
``python -m ledgernode.errors > docs/errors.md``.

    LedgerError
    ├── Invalid          the caller sent something that can never be right: mend it
    ├── Unauthenticated  the signature or the certificate does not hold
    ├── Forbidden        known, but not allowed to do this
    ├── Missing          what was named does not exist (or no longer does)
    ├── Conflict         it clashes with what already stands
    ├── Exhausted        a limit is reached: later or smaller
    ├── Unavailable      not now: try again, here or at another node
    ├── Late             it did not happen within the time allowed
    └── Broken           our side or our disk is damaged: stop and look
"""

from __future__ import annotations

import sys
from typing import ClassVar


class LedgerError(Exception):
    """The root. ``code`` is stable for ever; ``exit_code`` ends the command line."""

    code: ClassVar[str] = "LEDGER_ERROR"
    exit_code: ClassVar[int] = 1
    grpc_status: ClassVar[str] = "UNKNOWN"
    http_status: ClassVar[int] = 500

    def __init__(self, message: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts

    def __str__(self) -> str:
        return self.message or (self.__doc__ or self.code).strip().splitlines()[0]


# ---------------------------------------------------------------- kinds


class Invalid(LedgerError):
    """The request can never be right as it stands."""

    code, exit_code, grpc_status, http_status = "INVALID", 2, "INVALID_ARGUMENT", 400


class Unauthenticated(LedgerError):
    """Who asks could not be established."""

    code, exit_code, grpc_status, http_status = "UNAUTHENTICATED", 3, "UNAUTHENTICATED", 401


class Forbidden(LedgerError):
    """Who asks may not do this."""

    code, exit_code, grpc_status, http_status = "FORBIDDEN", 4, "PERMISSION_DENIED", 403


class Missing(LedgerError):
    """What was named does not exist."""

    code, exit_code, grpc_status, http_status = "NOT_FOUND", 5, "NOT_FOUND", 404


class Conflict(LedgerError):
    """It clashes with what already stands."""

    code, exit_code, grpc_status, http_status = "CONFLICT", 6, "FAILED_PRECONDITION", 409


class Exhausted(LedgerError):
    """A limit is reached."""

    code, exit_code, grpc_status, http_status = "EXHAUSTED", 7, "RESOURCE_EXHAUSTED", 429


class Unavailable(LedgerError):
    """Not now: try again, here or at another node."""

    code, exit_code, grpc_status, http_status = "UNAVAILABLE", 8, "UNAVAILABLE", 503


class Late(LedgerError):
    """It did not happen within the time allowed."""

    code, exit_code, grpc_status, http_status = "DEADLINE_EXCEEDED", 9, "DEADLINE_EXCEEDED", 504


class Broken(LedgerError):
    """Our side or our disk is damaged."""

    code, exit_code, grpc_status, http_status = "INTERNAL", 10, "INTERNAL", 500


# ---------------------------------------------------------------- transactions, as they arrive


class MalformedTransaction(Invalid):
    """The bytes are not an envelope of this format."""

    code = "TRANSACTION_MALFORMED"


class TransactionTooLarge(Invalid):
    """The body exceeds the ledger's size limit."""

    code = "TRANSACTION_TOO_LARGE"


class WrongChain(Invalid):
    """The body names another ledger's chain id."""

    code = "WRONG_CHAIN"


class BadArguments(Invalid):
    """The arguments are not strict JSON, or do not fit the function."""

    code = "ARGUMENTS_INVALID"


class BudgetOutOfRange(Invalid):
    """The declared execution budget is zero or above the ledger's limit."""

    code = "BUDGET_OUT_OF_RANGE"


class BadSignature(Unauthenticated):
    """The signature is malformed, not low-s, or does not verify."""

    code = "SIGNATURE_INVALID"


class UnknownSigner(Unauthenticated):
    """No identity with this id, or the key is not one of its keys."""

    code = "SIGNER_UNKNOWN"


class RevokedSigner(Unauthenticated):
    """The identity is revoked for ever."""

    code = "SIGNER_REVOKED"


class SuspendedSigner(Unauthenticated):
    """The identity or its organisation is suspended for now."""

    code = "SIGNER_SUSPENDED"


class ExpiredSigner(Unauthenticated):
    """The signing key's certificate, or its overlap after a rotation, has ended."""

    code = "SIGNER_EXPIRED"


class TransactionExpired(Conflict):
    """Block time has passed the transaction's valid-until."""

    code = "TRANSACTION_EXPIRED"


class ValidityTooFar(Invalid):
    """Valid-until lies further ahead than the ledger allows."""

    code = "VALIDITY_TOO_FAR"


class DuplicateTransaction(Conflict):
    """A transaction with this id is already in the chain."""

    code = "TRANSACTION_DUPLICATE"


class SequenceReplayed(Conflict):
    """This device sequence number was used, or lies below the window."""

    code = "SEQUENCE_REPLAYED"


class SequenceTooFar(Conflict):
    """This device sequence number lies too far above the last one."""

    code = "SEQUENCE_TOO_FAR"


# ---------------------------------------------------------------- execution


class UnknownContract(Missing):
    """No contract of this name is committed."""

    code = "CONTRACT_UNKNOWN"


class UnknownFunction(Missing):
    """The contract has no such function."""

    code = "FUNCTION_UNKNOWN"


class WrongFunctionKind(Invalid):
    """A query was submitted as a transaction, or the other way round."""

    code = "FUNCTION_KIND"


class RoleRefused(Forbidden):
    """The creator's role or organisation may not call this."""

    code = "ROLE_REFUSED"


class WriteInQuery(Invalid):
    """A query tried to write, emit or schedule."""

    code = "WRITE_IN_QUERY"


class BudgetExceeded(Exhausted):
    """The call used up its declared execution budget."""

    code = "BUDGET_EXCEEDED"


class ValueTooLarge(Exhausted):
    """A value, text or integer grew beyond what a call may hold."""

    code = "VALUE_TOO_LARGE"


class DepthExceeded(Exhausted):
    """Calls or data are nested too deep."""

    code = "DEPTH_EXCEEDED"


class ContractFault(Invalid):
    """The contract's code failed without saying why (the node's log has the line)."""

    code = "CONTRACT_FAULT"


class BadKey(Invalid):
    """A state key is empty, too long, not text, or contains NUL."""

    code = "KEY_INVALID"


class BadValue(Invalid):
    """A value cannot be stored: only integers, text, booleans, null, lists, maps and records can."""

    code = "VALUE_INVALID"


class HistoryInTransaction(Invalid):
    """History and transaction look-ups exist only in queries."""

    code = "HISTORY_IN_TRANSACTION"


class BadTimer(Invalid):
    """A timer is due in the past, too far ahead, or names no function."""

    code = "TIMER_INVALID"


class ContractRefused(Conflict):
    """The contract refused, with its own code and words: the code is ``contract.CODE``."""

    code = "CONTRACT_REFUSED"


# ---------------------------------------------------------------- chaincode life cycle


class ChaincodeRefused(Invalid):
    """The package breaks a rule of determinism; the message lists file, line and reason."""

    code = "CHAINCODE_REFUSED"


class BadPackage(Invalid):
    """The package is not well formed, too large, or its hash differs."""

    code = "PACKAGE_INVALID"


class UnknownPackage(Missing):
    """No package with this hash is installed."""

    code = "PACKAGE_UNKNOWN"


class NotApproved(Conflict):
    """The organisations' policy is not yet satisfied."""

    code = "APPROVALS_MISSING"


# ---------------------------------------------------------------- identities and governance


class BadCertificate(Invalid):
    """The certificate does not chain to its organisation's root, or lacks what is needed."""

    code = "CERTIFICATE_INVALID"


class UnknownIdentity(Missing):
    """No identity with this id."""

    code = "IDENTITY_UNKNOWN"


class IdentityExists(Conflict):
    """This identity or key is registered already."""

    code = "IDENTITY_EXISTS"


class UnknownOrganisation(Missing):
    """No organisation of this name."""

    code = "ORGANISATION_UNKNOWN"


class GovernanceRefused(Conflict):
    """The change would leave a policy unsatisfiable, no admin, or too few validators."""

    code = "GOVERNANCE_REFUSED"


class UnknownProposal(Missing):
    """No open proposal of this id."""

    code = "PROPOSAL_UNKNOWN"


class UnknownFault(Missing):
    """No fault of this id is recorded."""

    code = "FAULT_UNKNOWN"


class BadGenesis(Invalid):
    """The genesis file does not make a ledger."""

    code = "GENESIS_INVALID"


class BadParameters(Invalid):
    """A number of the ledger is out of its range, or does not fit the others."""

    code = "PARAMETERS_INVALID"


class KeyFileUnsafe(Invalid):
    """A secret's file is missing, unreadable, or readable by others."""

    code = "KEY_FILE_UNSAFE"


class PassphraseMissing(Invalid):
    """A key file is encrypted, and nothing gives its passphrase."""

    code = "PASSPHRASE_MISSING"


class PassphraseWrong(Invalid):
    """A key file is not opened by the passphrase that was given."""

    code = "PASSPHRASE_WRONG"


class HsmUnavailable(Unavailable):
    """The token that holds a key, or its module, is not there or does not answer."""

    code = "HSM_UNAVAILABLE"


class HsmPinRefused(Invalid):
    """The token refuses the PIN, or has locked it."""

    code = "HSM_PIN_REFUSED"


class HsmKeyMissing(Missing):
    """The token holds no key of this name."""

    code = "HSM_KEY_MISSING"


class HsmKeyAmbiguous(Conflict):
    """The name of a key in a token leads to more than one."""

    code = "HSM_KEY_AMBIGUOUS"


class PhraseInvalid(Invalid):
    """A recovery phrase is not whole: a word is missing, unknown or in the wrong place."""

    code = "PHRASE_INVALID"


# ---------------------------------------------------------------- look-ups, proofs, service


class NetworkNotFound(Missing):
    """No network was named, or what was named is not one."""

    code = "NETWORK_NOT_FOUND"


class UnknownLedger(Missing):
    """This node does not serve a ledger of that name."""

    code = "LEDGER_UNKNOWN"


class UnknownBlock(Missing):
    """No block at that height yet."""

    code = "BLOCK_UNKNOWN"


class UnknownSnapshot(Missing):
    """This node has no such snapshot, or no longer."""

    code = "SNAPSHOT_UNKNOWN"


class UnknownBackup(Missing):
    """This folder holds no backup, or none that reaches what was asked for."""

    code = "BACKUP_UNKNOWN"


class UnknownTransaction(Missing):
    """No transaction of that id is in the chain."""

    code = "TRANSACTION_UNKNOWN"


class NeverCommitted(Conflict):
    """Chain time has passed valid-until: this transaction will never be committed."""

    code = "NEVER"


class Pruned(Missing):
    """That block or state is not kept at this node, or no longer; who keeps it is told where it is known."""

    code = "PRUNED"


class PruneRefused(Conflict):
    """Those blocks are still needed here: the message says what for, and what can be done."""

    code = "PRUNE_REFUSED"


class UpgradeNeeded(Conflict):
    """The ledger goes on by rules that this software does not know: install a newer version."""

    code = "UPGRADE_NEEDED"


class ProtocolUnsupported(Conflict):
    """The two programs have no version of the protocol in common: the message says which is to be upgraded."""

    code = "PROTOCOL_UNSUPPORTED"


class HeightNotReached(Late):
    """The node has not reached the height asked for within the time allowed."""

    code = "HEIGHT_NOT_REACHED"


class BadProof(Invalid):
    """The proof does not hold; the message names the step that failed."""

    code = "PROOF_INVALID"


class BadRequest(Invalid):
    """A field of the request is missing or out of range."""

    code = "REQUEST_INVALID"


class BadBook(Invalid):
    """A market's book cannot be cleared: the message names the order, the field and its limit."""

    code = "BOOK_INVALID"


class MempoolFull(Exhausted):
    """The node has as many waiting transactions as it may hold: retry after the advised time."""

    code = "MEMPOOL_FULL"


class RateLimited(Exhausted):
    """This caller sends faster than its share: retry after the advised time."""

    code = "RATE_LIMITED"


class NodeStopping(Unavailable):
    """The node is shutting down."""

    code = "NODE_STOPPING"


class LedgerHalted(Unavailable):
    """This node halted the ledger to keep it whole; the message says why."""

    code = "LEDGER_HALTED"


class NodeUnreachable(Unavailable):
    """None of the endpoints answered."""

    code = "NODE_UNREACHABLE"


class LogUnreachable(Unavailable):
    """The log that orders the ledger does not answer, or refuses: the message says what it said."""

    code = "LOG_UNREACHABLE"


class CommitUnknown(Late):
    """The wait ended before the outcome was known; asking again is safe."""

    code = "COMMIT_UNKNOWN"


# ---------------------------------------------------------------- gateway


class OutboxFull(Exhausted):
    """The gateway keeps as much as it may, of everybody or of this device: nothing was taken, send it again later."""

    code = "OUTBOX_FULL"


class SequenceNeeded(Invalid):
    """What a gateway keeps until the ledger takes it has a sequence number, and no end of validity."""

    code = "SEQUENCE_NEEDED"


class SequenceConflict(Conflict):
    """The device has signed something else with this number already."""

    code = "SEQUENCE_CONFLICT"


class StreamReplaced(Conflict):
    """The device has opened another stream since."""

    code = "STREAM_REPLACED"


class ReadingInvalid(Invalid):
    """A payload is no reading: its format, unit, time or value is not what it can be."""

    code = "READING_INVALID"


class CredentialsInvalid(Unauthenticated):
    """Name, secret, signature or certificate of who asks do not hold; which of them is not told."""

    code = "CREDENTIALS_INVALID"


class ChallengeUnknown(Unauthenticated):
    """The challenge that was signed is not open: it was answered, or took too long."""

    code = "CHALLENGE_UNKNOWN"


class TicketInvalid(Unauthenticated):
    """There is no session, or it has ended: sign in."""

    code = "TICKET_INVALID"


class OriginRefused(Forbidden):
    """The request comes from another page than this server's own."""

    code = "ORIGIN_REFUSED"


class RequestStale(Unauthenticated):
    """The time that a request is signed with lies too far from ours: set the clock, and sign it anew."""

    code = "REQUEST_STALE"


class RequestReplayed(Unauthenticated):
    """A request with this nonce has come already: each is signed with another."""

    code = "REQUEST_REPLAYED"


class BodyTooLarge(Invalid):
    """A request's body is larger than this way in takes: send less at a time."""

    code = "BODY_TOO_LARGE"


class MediaTypeRefused(Invalid):
    """A request's body is of a media type that this way in does not read."""

    code = "MEDIA_TYPE_REFUSED"


class MethodRefused(Invalid):
    """What is at this address is not asked in this way."""

    code = "METHOD_REFUSED"


class AddressUnknown(Missing):
    """Nothing is at this address."""

    code = "ADDRESS_UNKNOWN"


class RequestSlow(Late):
    """A request did not come whole within the time it has."""

    code = "REQUEST_SLOW"


class ReaderSlow(Late):
    """A reader of live events did not keep up with them."""

    code = "READER_SLOW"


class CommandUnknown(Missing):
    """No command of this kind and number waits for this device."""

    code = "COMMAND_UNKNOWN"


# ---------------------------------------------------------------- vending


class KeyStoreInvalid(Invalid):
    """A key store cannot be opened: the passphrase is another one, or the file was damaged."""

    code = "KEY_STORE_INVALID"


class VendingKeyUnknown(Missing):
    """No vending key of this supply group and revision is in the key store."""

    code = "VENDING_KEY_UNKNOWN"


class CurrencyRefused(Invalid):
    """A payment is in another currency than the ledger's."""

    code = "CURRENCY_REFUSED"


class PaymentInvalid(Invalid):
    """A payment's form, amount, meter or key is not what it can be."""

    code = "PAYMENT_INVALID"


class PaymentKeyReused(Conflict):
    """This idempotency key stood for another payment: a key is given to one, for ever."""

    code = "PAYMENT_KEY_REUSED"


class PaymentAboveLimit(Conflict):
    """A payment is more than this partner may take at once: nothing was sold."""

    code = "PAYMENT_ABOVE_LIMIT"


class PurchaseUnknown(Missing):
    """No payment with this key has come from this partner."""

    code = "PURCHASE_UNKNOWN"


# ---------------------------------------------------------------- store


class DatabaseInUse(Conflict):
    """Another process has this database open."""

    code = "DATABASE_IN_USE"


class DatabaseForeign(Conflict):
    """The database belongs to another ledger or a newer format."""

    code = "DATABASE_FOREIGN"


class BackupInUse(Conflict):
    """Another process is writing this backup."""

    code = "BACKUP_IN_USE"


class BackupForeign(Conflict):
    """The backup is of another ledger, or of another history than this node's: it was left as it is."""

    code = "BACKUP_FOREIGN"


class DatabaseDamaged(Broken):
    """The database fails its own checks."""

    code = "DATABASE_DAMAGED"


class DiskFull(Broken):
    """The disk (or the database's permitted size) is full: nothing was written."""

    code = "DISK_FULL"


class ChainInvalid(Broken):
    """Verification found a block that does not hold; the message names it."""

    code = "CHAIN_INVALID"


class AuditFailed(Broken):
    """A conservation law does not hold; the message names the first break."""

    code = "AUDIT_FAILED"


class SnapshotInvalid(Invalid):
    """The snapshot's parts do not add up to its certified commitment."""

    code = "SNAPSHOT_INVALID"


class BackupInvalid(Invalid):
    """A part of a backup is damaged, missing, or does not follow from the genesis file; the message names it."""

    code = "BACKUP_INVALID"


class StateDiverged(Broken):
    """This node computed another result than its peers certified: it halts."""

    code = "STATE_DIVERGED"


# ---------------------------------------------------------------- prepaid tokens


class TokenMalformed(Invalid):
    """These are not the 20 digits of a token: count them, and enter them again."""

    code = "TOKEN_MALFORMED"


class TokenCheckFailed(Invalid):
    """A digit is wrong, or the token is another meter's, or was minted for another key of this one."""

    code = "TOKEN_CHECK_FAILED"


class TokenClassUnknown(Invalid):
    """The token's class or subclass has no meaning here."""

    code = "TOKEN_CLASS_UNKNOWN"


class TokenUsed(Conflict):
    """The meter has accepted this token already: it is good once."""

    code = "TOKEN_USED"


class TokenTooOld(Conflict):
    """The token's identifier is below all that the meter remembers: the vendor must issue another."""

    code = "TOKEN_TOO_OLD"


class TokenKeyExpired(Conflict):
    """The token's identifier lies beyond the key's expiry number: the meter needs another key first."""

    code = "TOKEN_KEY_EXPIRED"


class TokenCreditOverflow(Exhausted):
    """The meter cannot hold so much credit: use some, then enter the token again."""

    code = "TOKEN_CREDIT_OVERFLOW"


class KeyChangeIncomplete(Conflict):
    """Of the four tokens of a key change some are missing."""

    code = "TOKEN_KEY_CHANGE_INCOMPLETE"


class BadTokenAmount(Invalid):
    """A token cannot carry this amount: the nearest below and above, or the limit, are in the message."""

    code = "TOKEN_AMOUNT_INVALID"


class BadTokenParameter(Invalid):
    """A value that a token or its key depends on lies outside of what the standard has room for."""

    code = "TOKEN_PARAMETER_INVALID"


class BadMeterNumber(Invalid):
    """A meter or reference number has another length, or its check digit is wrong."""

    code = "TOKEN_METER_NUMBER_INVALID"


class BadTokenKey(Invalid):
    """A vending key is not 160 bits."""

    code = "TOKEN_VENDING_KEY_INVALID"


class TokenTimeOutOfRange(Invalid):
    """The time lies before the base date, or after the last minute that has a number."""

    code = "TOKEN_TIME_OUT_OF_RANGE"


class TokenTooFarAhead(Exhausted):
    """So many tokens were reserved for this meter that their identifiers run an hour ahead: vend again later."""

    code = "TOKEN_TID_AHEAD"


# ---------------------------------------------------------------- devices


class CalibrationRefused(Invalid):
    """What the bench showed cannot calibrate a meter: the message says what is wrong with it."""

    code = "CALIBRATION_REFUSED"


class FeederOverloaded(Invalid):
    """A simulated feeder is asked for more than its wires can carry."""

    code = "FEEDER_OVERLOADED"


class HistoryInvalid(Invalid):
    """A file of measurements makes no sense: the message names the file, the line and the column, and what to do."""

    code = "HISTORY_INVALID"


class RegistersDamaged(Broken):
    """Neither copy of what a meter keeps through a loss of power is whole."""

    code = "REGISTERS_DAMAGED"


def leaves() -> list[type[LedgerError]]:
    """Every error class of this file: the root, the kinds, then the leaves kind by kind in their order."""
    found: list[type[LedgerError]] = []
    waiting: list[type[LedgerError]] = [LedgerError]
    while waiting:
        error = waiting.pop(0)
        found.append(error)
        waiting.extend(below for below in error.__subclasses__() if below.__module__ == __name__)
    return found


def by_code(code: str) -> type[LedgerError]:
    """The class of a stable code; a contract's own codes (``name.CODE``) are ``ContractRefused``."""
    if "." in code:
        return ContractRefused
    return _BY_CODE.get(code, LedgerError)


_BY_CODE: dict[str, type[LedgerError]] = {error.code: error for error in leaves()}

_HEAD = """# Errors

Every refusal has one stable code. It is the same in receipts, on gRPC (trailing metadata
`ledgernode-code`), on HTTP and on the command line; the text beside it is for people and may change.
The kind says whose fault it is and what can be done. A contract's own refusal has the code
`<contract>.<CODE>`, such as `currency.INSUFFICIENT_BALANCE`, and is of kind `ContractRefused`.

This page is printed by `python -m ledgernode.errors`; a test fails when it is stale.
"""


def page() -> str:
    """`docs/errors.md`: the kinds with what each asks of the caller, then every code."""
    kinds = LedgerError.__subclasses__()
    named = [error for error in leaves() if error not in (LedgerError, *kinds)]
    table = ["| code | kind | gRPC status | HTTP | exit code | meaning |", "|---|---|---|---|---|---|"]
    lines = [_HEAD, "The kinds, each with the code of a refusal that has no closer name:", "", *table]
    lines += [_row(kind, kind) for kind in kinds]
    lines += ["", "The refusals:", "", *table]
    lines += [_row(error, next(kind for kind in kinds if issubclass(error, kind))) for error in named]
    return "\n".join(lines) + "\n"


def _row(error: type[LedgerError], kind: type[LedgerError]) -> str:
    meaning = (error.__doc__ or "").strip().splitlines()[0]
    carried = f"{error.grpc_status} | {error.http_status} | {error.exit_code}"
    return f"| `{error.code}` | {kind.__name__} | {carried} | {meaning} |"


if __name__ == "__main__":
    sys.stdout.write(page())
