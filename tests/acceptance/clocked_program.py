"""`ledgernode` by a clock which tests set, for a gateway or a meter of a network that goes by it (`clocked_node`).

    python -m tests.acceptance.clocked_program CLOCK VENDOR FASTER COMMAND…

VENDOR is the folder of an operator's identity, who mints. FASTER is how many times faster energy flows through a meter
than its clock goes: a token is used up in seconds. A gateway is one that vends as well: whatever is reserved on the
ledger it mints, and gives to the meter. And it tells meters what nobody has said, where its directory has a file
`invented.json`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from devices import meter_process, sampling
from devices.meter.tokens import digest as digest_of
from gateway import process
from gateway.commands.inbox import Command
from gateway.process import Gateway, Home, Ready
from ledgernode.cli.root import main
from ledgernode.client import LedgerClient, Signer
from ledgernode.errors import LedgerError
from ledgernode.identity.identity_files import load_identity
from ledgernode.sts.tid import Tid
from ledgernode.sts.token import Credit, mint
from tests.acceptance.clocked_node import Clock
from tests.acceptance.prepayment import key_of

INVENTED = "invented.json"


class VendingGateway(Gateway):
    """A gateway beside which a vendor sits, with the vending key."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self._directory = home.directory
        self._signer = Signer(load_identity(VENDOR)[0], chain_id=home.chain_id, clock_ms=CLOCK.now_ms)

    async def run(self, ready: Ready) -> None:
        tasks = [asyncio.create_task(self._vend()), asyncio.create_task(self._invent())]
        try:
            await super().run(ready)
        finally:
            for task in tasks:
                task.cancel()

    async def _vend(self) -> None:
        async with self._client() as client:
            height = int((await client.facts()).height)
            async for event in client.events(height, contract="prepaid", names=["CreditReserved"]):
                try:
                    await self._sell(client, json.loads(event.payload))
                except LedgerError as refusal:
                    self._log.info("not vended", code=refusal.code, reason=str(refusal))

    async def _sell(self, client: LedgerClient, credit: dict[str, Any]) -> None:
        """Digits are told when the ledger holds their digest for good."""
        digits = mint(
            Credit(tid=Tid(credit["tid"]), random=credit["rnd"], units=credit["units"]), key_of(credit["pan"])
        )
        where = {name: credit[name] for name in ("pan", "base", "tid")}
        await client.submit("prepaid", "mint", {**where, "token_hash": digest_of(digits)}, signer=self._signer)
        answer = await client.evaluate("registry", "point", {"point": credit["point"]}, signer=self._signer)
        payload = msgspec.json.encode({"digits": digits})
        device = json.loads(answer.result)["meter"]
        self.dispatch.give(Command("token", credit["credit"], device, payload, "", int(CLOCK.now_ms())))

    async def _invent(self) -> None:
        """Say to meters what the ledger has not said."""
        path = self._directory / INVENTED
        while True:
            await asyncio.sleep(0.1)
            if path.exists():
                invented = json.loads(path.read_text())
                path.unlink()
                for number, one in enumerate(invented, 900_000_000):
                    payload = msgspec.json.encode(one["payload"])
                    evidence = bytes.fromhex(one.get("evidence", ""))
                    told = Command(one["kind"], number, one["device"], payload, "", int(CLOCK.now_ms()))
                    self.dispatch.give(msgspec.structs.replace(told, evidence=evidence))


if __name__ == "__main__":
    CLOCK = Clock(Path(sys.argv.pop(1)))
    VENDOR = Path(sys.argv.pop(1))
    FASTER = int(sys.argv.pop(1))
    process._clock_ms = CLOCK.now_ms
    process.Gateway = VendingGateway  # type: ignore[misc]
    meter_process._clock_ms = CLOCK.now_ms
    if "ciu" in sys.argv:
        from devices.terminal import app

        app._clock_ms = CLOCK.now_ms
    sampling._steady_ms = lambda: FASTER * time.monotonic_ns() // 1_000_000
    main()
