"""What a node's own door shows of others: events, transactions, proofs and outcomes, by who asks about whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from ledgernode.client import Ledger
from ledgernode.errors import RoleRefused, UnknownTransaction
from ledgernode.identity.records import Role
from ledgernode.wire.types import TransactionId
from tests.running import NodeProcess, Person, deploy, register

pytestmark = pytest.mark.slow

DIARY: Final = Path(__file__).parent / "contracts" / "diary.py"


class Scene:
    """Anna, Otto and a meter of Anna's; notes about each, made by the admin, and by themselves."""

    def __init__(self, node: NodeProcess) -> None:
        self.node, network = node, node.network
        with node.ledger() as ledger:
            deploy(ledger, network, DIARY)
            self.anna, self.otto = (
                register(ledger, network, network.newcomer("north", name, Role.CUSTOMER)) for name in ("a-1", "o-1")
            )
            self.meter = register(ledger, network, network.newcomer("north", "m-1", Role.METER))
            self.operator = register(ledger, network, network.newcomer("north", "op-1", Role.OPERATOR))
            self.stranger = network.newcomer_unregistered()
            self.first = int(ledger.facts().height)
            self.notes: dict[str, TransactionId] = {}
            self._said(ledger, "before she came", None, "note", about="house-a", text="before")
            self._said(ledger, "anna takes", self.anna, "take", house="house-a")
            self._said(ledger, "otto takes", self.otto, "take", house="house-o")
            anna, otto = self.anna.signer.identity.hex(), self.otto.signer.identity.hex()
            for name, about in (("anna", anna), ("otto", otto), ("her house", "house-a"), ("his house", "house-o")):
                self._said(ledger, name, None, "note", about=about, text=name)
            self._said(ledger, "weather", None, "note", about="weather", text="rain")
            self._said(ledger, "both", None, "note_many", about=[anna, otto], text="both")
            self._said(ledger, "each", None, "note_each", about=[anna, otto], text="each")
            self._said(ledger, "hers alone", None, "note_each", about=[anna, "house-a", "weather"], text="alone")
            self._said(ledger, "by anna", self.anna, "note", about=otto, text="by anna")
            self.last = int(ledger.facts().height)

    def _said(self, ledger: Ledger, name: str, who: Person | None, function: str, **arguments: Any) -> None:
        signer = (who or self.node.network.admin).signer
        signed = signer.transaction("diary", function, arguments, budget=50_000)
        assert ledger.submit_signed(signed).code == "OK"
        self.notes[name] = signed.id

    def heard(self, who: Person) -> list[str]:
        """The texts that events told; of a list its first."""
        with self.node.ledger(who) as ledger:
            events = ledger.events(self.first, contract="diary", to_height=self.last)
            payloads = [msgspec.json.decode(event.payload) for event in events]
        return [payload["text"] if "text" in payload else payload["notes"][0][1] for payload in payloads]

    def seen(self, who: Person) -> set[str]:
        """The transactions that are shown, and whose proofs are given: the same."""
        with self.node.ledger(who) as ledger:
            shown = {name for name, named in self.notes.items() if self._answers(ledger.transaction, named)}
            proven = {name for name, named in self.notes.items() if self._answers(ledger.proof, named)}
        assert shown == proven
        return shown

    @staticmethod
    def _answers(ask: Any, named: TransactionId) -> bool:
        try:
            ask(named)
        except UnknownTransaction:
            return False
        return True


@pytest.fixture(scope="module")
def scene(node: NodeProcess) -> Scene:
    return Scene(node)


def test_customers_hear_what_is_about_them_or_about_nobody(scene: Scene) -> None:
    """By a field of its own: who is one of many in a list hears nothing, and what was before one came is another's."""
    assert scene.heard(scene.anna) == ["anna", "her house", "rain", "each", "alone", "alone", "alone"]
    assert scene.heard(scene.otto) == ["otto", "his house", "rain", "each", "alone", "by anna"]


def test_who_is_nobody_hears_what_is_about_nobody(scene: Scene) -> None:
    assert scene.heard(scene.stranger) == ["rain", "alone"]


def test_who_reads_everything_hears_everything(scene: Scene) -> None:
    for who in (scene.node.network.admin, scene.operator):
        assert len(scene.heard(who)) == 13


def test_customers_see_transactions_of_their_own_and_those_that_are_about_them_alone(scene: Scene) -> None:
    assert scene.seen(scene.anna) == {"anna takes", "anna", "her house", "hers alone", "by anna"}
    assert scene.seen(scene.otto) == {"otto takes", "otto", "his house", "by anna"}
    assert scene.seen(scene.stranger) == set()
    assert scene.seen(scene.operator) == set(scene.notes)


def test_an_outcome_shows_its_result_to_whom_it_concerns(scene: Scene) -> None:
    """Everybody who knows the id hears that it is committed, and no more."""
    results = {}
    for who in (scene.anna, scene.otto, scene.meter, scene.operator):
        with scene.node.ledger(who) as ledger:
            outcome = ledger.status_of(scene.notes["her house"])
            assert outcome.code == "OK"
            results[who] = outcome.result
    assert [bool(results[who]) for who in (scene.anna, scene.otto, scene.meter, scene.operator)] == [
        True,
        False,
        False,
        True,
    ]


def test_a_meter_is_told_its_own_outcome_and_reads_nothing_else(scene: Scene) -> None:
    with scene.node.ledger(scene.meter) as ledger:
        sent = scene.meter.signer.transaction("diary", "note", {"about": "x", "text": "mine"}, budget=50_000)
        assert ledger.submit_signed(sent).code == "OK"
        assert ledger.status_of(sent.id).result == b'"mine"'
        for ask in (ledger.transaction, ledger.proof):
            with pytest.raises(RoleRefused):
                ask(sent.id)
