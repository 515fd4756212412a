"""Everything a genesis must hold before a ledger can stand on it.

Its form; every certificate under its organisation's roots, valid at the founding and of the right
role; every name and key once; a policy that can be satisfied; an engine with enough validators, and
no organisation with more of them than may fail; numbers that can live together. Nodes check it when
they first see it, founders before they accept it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from ledgernode.errors import BadCertificate, BadGenesis, BadParameters, GovernanceRefused
from ledgernode.identity.certificate_profile import ORGANISATION_FORM
from ledgernode.identity.certificates import CertifiedIdentity, check_root, verify_chain
from ledgernode.identity.engine_options import CONCENTRATION_ALLOWED, check_options, option
from ledgernode.identity.policy import approvals_needed
from ledgernode.identity.records import Role
from ledgernode.wire import versions
from ledgernode.wire.genesis import (
    PYTHON_VERSION,
    Genesis,
    GenesisOrganisation,
    parse_genesis,
)
from ledgernode.wire.parameters import MAX_SAFE_INTEGER, check_parameters
from ledgernode.wire.quorum import faulty_limit

# fewest and most validators of each engine
ENGINES: Final[dict[str, tuple[int, int]]] = {
    "jetstream": (1, 128),
    "pbft": (4, 128),
    "pow": (1, 128),
    "solo": (1, 1),
}

LEDGER_FORM: Final = ORGANISATION_FORM
_ENDPOINT: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9a-fA-F:]{2,45}\]):([1-9][0-9]{0,4})", re.ASCII)


def check_genesis(raw: bytes) -> Genesis:
    """Read a genesis and check all of it; refuses with the first rule that is broken."""
    genesis = parse_genesis(raw)
    _check_form(genesis)
    validators: list[CertifiedIdentity] = []
    everyone: list[CertifiedIdentity] = []
    for organisation in genesis.organisations:
        admins, own = _check_organisation(organisation, genesis.created_ms)
        validators += own
        everyone += admins + own
    _require_once("identity", (f"{one.organisation}/{one.name}" for one in everyone))
    _require_once("key", (one.public_key.hex()[:18] for one in everyone))
    _require_once("endpoint", (v.endpoint for organisation in genesis.organisations for v in organisation.validators))
    approvals_needed(genesis.policy, len(genesis.organisations))
    _check_engine(genesis, validators)
    try:
        check_parameters(genesis.parameters)
    except BadParameters as error:
        raise BadGenesis(str(error)) from error
    return genesis


def require_endpoint(endpoint: str) -> None:
    found = _ENDPOINT.fullmatch(endpoint)
    if found is None or int(found[2]) > 65_535:
        raise BadGenesis(f"an endpoint is host:port, not {endpoint[:64]!r}")


def _check_form(genesis: Genesis) -> None:
    if not LEDGER_FORM.fullmatch(genesis.name):
        raise BadGenesis(f"a ledger's name has 2 to 32 of a-z, 0-9 and '-', a letter first, not {genesis.name[:64]!r}")
    oldest, newest = versions.EXECUTION_OLDEST, versions.EXECUTION_NEWEST
    if not oldest <= genesis.execution_version <= newest or genesis.python_version != PYTHON_VERSION:
        raise BadGenesis(
            f"the genesis asks for execution version {genesis.execution_version} on Python {genesis.python_version}, "
            f"this software knows {oldest} to {newest} on {PYTHON_VERSION}"
        )
    if not 0 < genesis.created_ms <= MAX_SAFE_INTEGER:
        raise BadGenesis("created_ms is a time in milliseconds")
    if not genesis.organisations:
        raise BadGenesis("a ledger has at least one organisation")
    _require_once("organisation", (organisation.name for organisation in genesis.organisations))


def _check_organisation(
    organisation: GenesisOrganisation, created_ms: int
) -> tuple[list[CertifiedIdentity], list[CertifiedIdentity]]:
    """(admins, validators) of one organisation."""
    if not organisation.roots:
        raise BadGenesis(f"{organisation.name} has no root")
    for root in organisation.roots:
        check_root(root, organisation.name, created_ms)
    if not organisation.admins:
        raise BadGenesis(f"{organisation.name} has no admin: nobody could ever speak for it")
    for validator in organisation.validators:
        require_endpoint(validator.endpoint)
    return (
        [_certified(member.certificate, organisation, Role.ADMIN, created_ms) for member in organisation.admins],
        [
            _certified(member.certificate, organisation, Role.VALIDATOR, created_ms)
            for member in organisation.validators
        ],
    )


def _certified(chain: str, organisation: GenesisOrganisation, role: Role, created_ms: int) -> CertifiedIdentity:
    try:
        found = verify_chain(chain, organisation.roots, created_ms)
    except BadCertificate as error:
        raise BadCertificate(f"{organisation.name}, a certificate given as {role}: {error}") from error
    if found.role is not role:
        raise BadCertificate(f"{organisation.name}/{found.name} is {found.role} by its certificate, not {role}")
    return found


def _check_engine(genesis: Genesis, validators: list[CertifiedIdentity]) -> None:
    name = genesis.engine.name
    if name not in ENGINES:
        raise BadGenesis(f"there is no engine {name[:32]!r}; engines are {', '.join(sorted(ENGINES))}")
    check_options(genesis.engine)
    fewest, most = ENGINES[name]
    if not fewest <= len(validators) <= most:
        raise GovernanceRefused(f"engine {name} takes {fewest} to {most} validators, the genesis has {len(validators)}")
    limit = faulty_limit(len(validators))
    organisation, held = Counter(one.organisation for one in validators).most_common(1)[0]
    if limit and held > limit and not option(genesis.engine, CONCENTRATION_ALLOWED):
        raise GovernanceRefused(
            f"{organisation} would hold {held} of {len(validators)} validators, and only {limit} may fail: "
            f'record the engine option "{CONCENTRATION_ALLOWED}": 1 if that is meant'
        )


def _require_once(what: str, values: Iterable[str]) -> None:
    repeated = [value for value, times in Counter(values).items() if times > 1]
    if repeated:
        raise BadGenesis(f"the {what} {repeated[0]} stands twice")
