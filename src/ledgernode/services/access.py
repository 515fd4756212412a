"""Who may call what: each call of each service names one of these, and `docs/access.md` is the table of them.

A transaction or a query is judged by the contract it is for, by its signature; what stands here is only who is let in
by their TLS certificate. Where everything on the ledger can be read, it takes a role that answers for that: a customer
or a meter asks contracts, or a gateway, which show each what is theirs.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledgernode.identity.records import Role


class Access(NamedTuple):
    """Roles that may call from any organisation, and roles that may from the node's own."""

    anyone: frozenset[Role]
    own: frozenset[Role] = frozenset()

    def allows(self, role: Role, *, own: bool) -> bool:
        return role in self.anyone or (own and role in self.own)

    def __str__(self) -> str:
        said = [", ".join(sorted(self.anyone))] if self.anyone else []
        if self.own:
            said.append(f"{', '.join(sorted(self.own))} of the node's organisation")
        return "; ".join(said)


MEMBERS: Final = Access(frozenset(Role))
LISTENERS: Final = Access(frozenset(Role) - {Role.METER})
"""Who hears events: what contracts chose to tell."""
READERS: Final = Access(frozenset({Role.ADMIN, Role.OPERATOR, Role.REGULATOR, Role.VALIDATOR, Role.GATEWAY}))
"""Who may read whole blocks, and with them everybody's transactions."""
NODES: Final = Access(frozenset({Role.VALIDATOR}), own=frozenset({Role.ADMIN}))
VALIDATORS: Final = Access(frozenset({Role.VALIDATOR}))
OWN_ADMINS: Final = Access(frozenset(), own=frozenset({Role.ADMIN}))
KEEPERS: Final = Access(frozenset(), own=frozenset({Role.ADMIN, Role.OPERATOR}))
"""Who may have the node write what it keeps: a nightly backup needs no key that could govern."""
