"""SoftHSM for tests: tokens in a folder of their own, for this process and those that it starts.

with SoftHsm(directory) as softhsm:
    softhsm.token("north")
    uri = softhsm.uri("north", "validator-1")
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

PIN = "271828-pin"
_VARIABLE = "SOFTHSM2_CONF"
_MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")


class SoftHsm:
    """A context in which the module knows these tokens; `pin_file` opens them."""

    def __init__(self, directory: Path) -> None:
        assert _MODULE.exists(), "SoftHSM is not installed: tests/system.sh installs it"
        self.directory = directory
        self.tokens = directory / "tokens"
        self.tokens.mkdir(parents=True)
        self.configuration = directory / "softhsm2.conf"
        self.configuration.write_text(
            f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        self.pin_file = directory / "pin"
        self.pin_file.write_text(PIN + "\n")
        self.pin_file.chmod(0o600)
        self._before = os.environ.get(_VARIABLE)

    def __enter__(self) -> Self:
        os.environ[_VARIABLE] = str(self.configuration)
        self.refresh()
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = self._before

    def token(self, label: str, pin: str = PIN) -> None:
        """Make a token, as the operator's tool does."""
        program = shutil.which("softhsm2-util")
        assert program, "SoftHSM is not installed: tests/system.sh installs it"
        command = [program, "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "so-" + PIN]
        subprocess.run(command, check=True, capture_output=True)
        self.refresh()

    def refresh(self) -> None:
        """The module of this process reads configuration and tokens anew."""
        import pkcs11

        from ledgernode.identity import hsm

        hsm._sessions.clear()
        pkcs11.lib(str(_MODULE)).reinitialize()

    def uri(self, token: str, key: str, *, pin_file: Path | None = None, more: str = "") -> str:
        return (
            f"pkcs11:token={token};object={key}{more}?module-path={_MODULE}&pin-source=file:{pin_file or self.pin_file}"
        )
