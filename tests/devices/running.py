"""A meter as a process of its own, for tests: `ledgernode meter run` in the folder of a registered identity."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from devices.meter.core import new_state
from devices.meter_shell import Facts, create_home
from ledgernode.identity.founding_set import founding_set
from ledgernode.sts.keys import KeyParameters, VendingKey, derive
from ledgernode.sts.tid import NEVER_EXPIRES, BaseDate, Tid
from ledgernode.sts.token import Credit, mint
from ledgernode.wire.genesis import parse_genesis
from tests.conditions import until
from tests.running import START_SECONDS, FoundedNetwork, Person
from tests.sts.published import METER, VENDING_KEY

SETTING: KeyParameters = msgspec.structs.replace(METER, base=BaseDate.Y2014)


def commissioned(
    network: FoundedNetwork,
    person: Person,
    setting: KeyParameters = SETTING,
    vending_key: VendingKey = VENDING_KEY,
    *,
    key_expiry: int = NEVER_EXPIRES,
    **changes: Any,
) -> Path:
    """A meter's home in an identity's folder; it samples and reads often, so that tests need not wait."""
    state = new_state(
        derive(vending_key, setting),
        setting.base,
        key_revision=setting.key_revision,
        tariff_index=int(setting.tariff_index),
        validators=founding_set(parse_genesis(network.genesis_bytes)),
        key_expiry=key_expiry,
    )
    fields: dict[str, Any] = {
        "pan": setting.pan,
        "point": "north:home-1",
        "chain_id": person.signer.chain_id.hex(),
        "reading_ms": 1_000,
        "send_ms": 1_000,
        "sample_ms": 250,
    }
    create_home(person.directory, Facts(**fields | changes), state)
    return person.directory


def credit_token(tid: int, units: int, setting: KeyParameters = SETTING) -> str:
    """Twenty digits for such a meter."""
    return mint(Credit(tid=Tid(tid), random=5, units=units), derive(VENDING_KEY, setting))


PROGRAM: Sequence[str] = (sys.executable, "-m", "ledgernode.cli")


class MeterRunning:
    """`ledgernode meter run`; a context that ends it. `said` is all that it has printed, over restarts too.

    `program` is what stands for `ledgernode`.
    """

    def __init__(
        self,
        home: Path,
        gateways: Sequence[str],
        *,
        load_w: float = 0.0,
        program: Sequence[str] = PROGRAM,
        arguments: Sequence[str] = (),
    ) -> None:
        self.home = home
        self.program = program
        self.said: list[dict[str, Any]] = []
        self.gateways = list(gateways)
        self.load_w = load_w
        self.arguments = arguments
        self.log = home / "meter.log"
        self.start()

    def start(self) -> None:
        """Start it, and return when it runs."""
        command = [*self.program, "meter", "run", str(self.home), "--load", str(self.load_w), *self.arguments]
        for gateway in self.gateways:
            command += ["--gateway", gateway]
        before = len(self.said)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=dict(os.environ)
            )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        until(lambda: self._started(before), START_SECONDS)

    def _started(self, before: int) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-2_000:]
        return any(one["event"] == "started" for one in self.said[before:])

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith(b"\n"):
                self.said.append(msgspec.json.decode(line))

    def do(self, line: str) -> None:
        """Somebody does something at the meter."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    # ------------------------------------------------------------ what is seen

    def last(self, event: str, **fields: Any) -> dict[str, Any]:
        """The newest of these events; empty where there is none."""
        for one in reversed(self.said):
            if one["event"] == event and fields.items() <= one.items():
                return one
        return {}

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.last("display").get("lines", ["", ""])]

    @property
    def supplied(self) -> bool:
        return bool(self.last("relay", relay="supply").get("closed"))

    @property
    def gateway(self) -> str:
        """The gateway that serves it now."""
        return str(self.last("link").get("gateway", ""))

    def shows(self, text: str) -> None:
        self.when(lambda: text in " ".join(self.lines))

    def when(self, condition: Callable[[], Any]) -> Any:
        """Wait until this is so; what it said last, when it is not."""
        try:
            return until(condition, START_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.process.poll()}; {self.said[-15:]}") from error

    # ------------------------------------------------------------ its end

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self.process.kill()
        self._wait()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        code = self.process.wait(START_SECONDS)
        self._reader.join(START_SECONDS)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        return code

    def __enter__(self) -> MeterRunning:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
