"""Who may call: the checks that contracts share, and the forms of ids, texts and digests.

A function for people and devices refuses contracts, which could use the signer's rights for their own ends;
a function for contracts names those it serves. Staff are the admins and operators of one organisation.
"""

from chaincode.api import Context, Refusal

STAFF_ROLES = ("admin", "operator")
NAME_CHARACTERS = 40
ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789.-"
HEX_ALPHABET = "0123456789abcdef"
DIGEST_CHARACTERS = 64
SEPARATOR = ":"


class DirectCallsOnly(Refusal):
    """This is called by a signed transaction, not by a contract or a timer."""

    code = "DIRECT_CALLS_ONLY"


class CallerRefused(Refusal):
    """This is called by certain contracts only."""

    code = "CALLER_REFUSED"


class NotYourOrganisation(Refusal):
    """Only staff of the organisation it belongs to may do this."""

    code = "NOT_YOUR_ORGANISATION"


class IdInvalid(Refusal):
    """An id is <organisation>:<name>, the name of small letters, digits, dots and dashes."""

    code = "ID_INVALID"


class TextOutOfRange(Refusal):
    """A text is missing, too long, or not of its form."""

    code = "TEXT_OUT_OF_RANGE"


def require_direct(ctx: Context) -> None:
    """Refuses calls by other contracts, and by timers, which nobody signs."""
    if ctx.caller or not ctx.creator.id:
        raise DirectCallsOnly("this is called by a signed transaction, not by a contract or a timer")


def require_caller(ctx: Context, *contracts: str) -> None:
    """Refuses all but these contracts."""
    if ctx.caller not in contracts:
        raise CallerRefused(f"this is called by {', '.join(contracts)}, not by {ctx.caller or 'a transaction'}")


def require_staff(ctx: Context, organisation: str) -> None:
    """Refuses all but an admin or operator of this organisation who calls directly."""
    require_direct(ctx)
    if ctx.creator.organisation != organisation or ctx.creator.role not in STAFF_ROLES:
        raise NotYourOrganisation(f"only an admin or operator of {organisation} may do this")


def organisation_of(id: str) -> str:
    """The organisation whose id this is."""
    return id.partition(SEPARATOR)[0]


def require_id(id: str, organisation: str) -> None:
    """Refuses what is not an id of this organisation."""
    owner, separator, name = id.partition(SEPARATOR)
    well_formed = 0 < len(name) <= NAME_CHARACTERS and all(letter in ID_ALPHABET for letter in name)
    if not separator or owner != organisation or not well_formed:
        raise IdInvalid(f"an id is {organisation}:<name>, 1 to {NAME_CHARACTERS} of a-z 0-9 . - in the name")


def require_text(text: str, characters: int, what: str) -> None:
    if not 0 < len(text) <= characters:
        raise TextOutOfRange(f"the {what} has 1 to {characters} characters")


def require_digest(text: str, what: str) -> None:
    """Refuses what is not a SHA-256 in small hex digits."""
    if len(text) != DIGEST_CHARACTERS or not all(letter in HEX_ALPHABET for letter in text):
        raise TextOutOfRange(f"the {what} is a SHA-256 in {DIGEST_CHARACTERS} small hex digits")
