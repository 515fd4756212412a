"""A node's home whose keys, certificates and genesis are mounted from elsewhere: links to them, beside the data.

Files are linked to and not copied, so that what is renewed there is what the node finds when it looks again. Nothing
secret comes to lie on the volume.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from ledgernode.cli.joining import join_ledger
from ledgernode.errors import BadRequest, Conflict
from ledgernode.identity.authority import read_pem_file
from ledgernode.identity.certificates import read_certificate
from ledgernode.identity.home import FILE, NodeConfig, tls_directory, validator_directory
from ledgernode.identity.records import Role
from ledgernode.identity.tls import ROOTS, split_roots, write_roots
from ledgernode.wire.unreadable import UNREADABLE

GENESIS: Final = "genesis.json"
ACCEPTANCES: Final = "*.acceptance.json"
_OWN: Final = ("organisation", "validator", "listen", "ledgers")


def prepare_home(
    home: Path, keys: Path, *, prefix: str, ledger: Path, listen: str, further: bytes = b"{}"
) -> NodeConfig:
    """The settings that the home has then. `further` are fields of them, as JSON.

    Refuses a certificate that is no validator's, a home of another node or with keys of its own, and what `join_ledger`
    refuses.
    """
    member = read_certificate(read_pem_file(keys / f"{prefix}validator-certificate.pem"))
    if member.role is not Role.VALIDATOR:
        raise BadRequest(f"a node has a validator's certificate, and this is of a {member.role}")
    served: tuple[str, ...] = ()
    if (home / FILE).exists():
        there = NodeConfig.read(home)
        served = there.ledgers
        if (there.organisation, there.validator) != (member.organisation, member.name):
            raise Conflict(
                f"{home} is of {there.organisation}/{there.validator}, not of {member.organisation}/{member.name}"
            )
    config = _settings(further, NodeConfig(member.organisation, member.name, listen, served))
    for folder, purpose in ((validator_directory(home), "validator"), (tls_directory(home), "tls")):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file in ("key.pem", "certificate.pem"):
            _link(folder / file, keys.absolute() / f"{prefix}{purpose}-{file}")
    config.write(home)
    join_mounted(home, ledger)
    if (mounted := keys / ROOTS).exists():
        roots = tls_directory(home) / ROOTS
        write_roots(roots.parent, dict.fromkeys((*split_roots(roots.read_text()), *split_roots(mounted.read_text()))))
    return NodeConfig.read(home)


def join_mounted(home: Path, ledger: Path) -> NodeConfig:
    """Serve the ledger whose genesis and acceptances are mounted here as well; the settings that the home has then."""
    acceptances = sorted(ledger.glob(ACCEPTANCES))
    join_ledger(home, (ledger / GENESIS).read_bytes(), [path.read_bytes() for path in acceptances])
    return NodeConfig.read(home)


def _settings(further: bytes, config: NodeConfig) -> NodeConfig:
    """Refuses unknown fields, wrong types, and what the certificate and the command have said."""
    try:
        fields = msgspec.json.decode(further, type=dict[str, object])
        if said := sorted(fields.keys() & set(_OWN)):
            raise BadRequest(f"{', '.join(said)} of {FILE} follow from the certificate and the genesis")
        return msgspec.convert({**msgspec.to_builtins(config), **fields}, NodeConfig)
    except UNREADABLE as error:
        raise BadRequest(f"the settings cannot be taken: {error}") from error


def _link(path: Path, target: Path) -> None:
    """Refuses a place where a file is: a key that was born there stays."""
    if path.is_symlink():
        if path.readlink() == target:
            return
        path.unlink()
    elif path.exists():
        raise Conflict(f"{path} is a file of its own: this home keeps its keys itself")
    path.symlink_to(target)
