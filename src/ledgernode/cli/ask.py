"""Calls of the system contracts, as commands make them: ask and decode, submit and report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ledgernode.cli.output import decoded

if TYPE_CHECKING:
    from ledgernode.cli.connection import Connection
    from ledgernode.client import Ledger, Signer
    from ledgernode.wire.answers import Outcome


class Speaker:
    """An open connection together with who speaks over it. Use it in `with`."""

    def __init__(self, at: Connection) -> None:
        self.signer: Signer = at.signer()
        self.ledger: Ledger = at.open()

    def __enter__(self) -> Speaker:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()

    def ask(self, contract: str, function: str, *, signer: Signer | None = None, **arguments: Any) -> Any:
        """What the contract answers from the node's own state; to somebody else where one is given."""
        return decoded(self.ledger.evaluate(contract, function, arguments, signer=signer or self.signer).result)

    def pages(self, contract: str, function: str, **arguments: Any) -> Iterator[Any]:
        """The items of a query that answers in pages with `items` and `bookmark`."""
        bookmark = ""
        while True:
            page = self.ask(contract, function, **arguments, bookmark=bookmark)
            yield from page["items"]
            bookmark = page["bookmark"]
            if not bookmark:
                return

    def submit(self, contract: str, function: str, **arguments: Any) -> Outcome:
        """Submit and wait until it is committed; raises what the ledger refused it for."""
        return self.ledger.submit(contract, function, arguments, signer=self.signer)
