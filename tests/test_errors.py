"""The error tree: one code each, one page for all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ledgernode.errors import ContractRefused, LedgerError, MempoolFull, by_code, leaves, page

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
NAMED = [error for error in leaves() if error is not LedgerError]


def test_codes_are_unique() -> None:
    """A program decides by the code alone."""
    codes = [error.code for error in leaves()]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("error", NAMED, ids=lambda error: error.code)
def test_every_error_is_complete(error: type[LedgerError]) -> None:
    """Its own code and sentence, a place in the page, and everything a caller needs by kind."""
    assert "code" in vars(error)
    assert error.code.replace("_", "").isalpha()
    assert error.code.isupper()
    assert (error.__doc__ or "").strip().splitlines()[0].endswith(".")
    assert f"| `{error.code}` | " in PAGE.read_text()
    assert by_code(error.code) is error
    assert error.__module__ == "ledgernode.errors", "the tree is one file"


def test_kinds_differ_in_exit_code_and_leaves_keep_their_kinds() -> None:
    """The exit code says the kind, and nothing else does."""
    kinds = LedgerError.__subclasses__()
    assert len({kind.exit_code for kind in kinds}) == len(kinds)
    assert all(kind.exit_code > 1 for kind in kinds)
    for kind in kinds:
        for error in kind.__subclasses__():
            assert (error.exit_code, error.grpc_status, error.http_status) == (
                kind.exit_code,
                kind.grpc_status,
                kind.http_status,
            )


def test_the_page_is_fresh() -> None:
    """`python -m ledgernode.errors > docs/errors.md` changes nothing."""
    printed = subprocess.run([sys.executable, "-m", "ledgernode.errors"], capture_output=True, check=True, text=True)
    assert printed.stdout == page() == PAGE.read_text()


def test_a_contracts_own_code_is_a_contract_refusal() -> None:
    """`currency.INSUFFICIENT_BALANCE` needs no class of ours; an unheard-of code is still an error."""
    assert by_code("currency.INSUFFICIENT_BALANCE") is ContractRefused
    assert by_code("FROM_A_LATER_VERSION") is LedgerError


def test_an_error_speaks_its_message_or_its_sentence() -> None:
    """Facts ride along for programs."""
    refusal = MempoolFull("50,000 transactions wait", retry_ms=250)
    assert (str(refusal), refusal.facts) == ("50,000 transactions wait", {"retry_ms": 250})
    assert str(MempoolFull()).startswith("The node has as many")
