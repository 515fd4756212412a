"""Keys under a passphrase, from the command line: a file with it, or a person at a terminal. No node is needed."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

import click
import pytest

from ledgernode.cli import org, passphrases, protecting
from ledgernode.identity import encrypted_key
from ledgernode.identity.key_file import load_key
from ledgernode.identity.organisation import issuing_directory, root_directory
from ledgernode.identity.passphrase import from_file
from tests.cli.command_line import Ended, command, done

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try costs a tenth of a second by design; here it may cost nothing."""
    monkeypatch.setattr(encrypted_key, "COST", 2)
    monkeypatch.setattr(encrypted_key, "PARALLEL", 1)


def passphrase(directory: Path, text: str = PASSPHRASE, name: str = "passphrase") -> Path:
    path = directory / name
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def given(tmp_path: Path) -> tuple[str, Path]:
    return "--key-passphrase-file", passphrase(tmp_path)


@pytest.fixture
def authority(tmp_path: Path, given: tuple[str, Path]) -> Path:
    done("org", "init", tmp_path / "north", "north", *given)
    return tmp_path / "north"


def is_encrypted(path: Path) -> bool:
    return b"BEGIN ENCRYPTED PRIVATE KEY" in path.read_bytes()


def test_an_organisation_and_a_member_live_under_a_passphrase(
    authority: Path, given: tuple[str, Path], tmp_path: Path
) -> None:
    """Made, certified, accepted without the passphrase, asked again for their next key: encrypted throughout."""
    home = tmp_path / "clerk"
    done("identity", "new", home, "--organisation", "north", "--role", "operator", *given)
    assert command("identity", "sign", home / "request.pem", "--org", authority, "--json").code == 2
    done("identity", "sign", home / "request.pem", "--org", authority, "-o", tmp_path / "signed.pem", *given)
    done("identity", "accept", home, tmp_path / "signed.pem")
    done("identity", "csr", home, "--next", *given)
    keys = [*authority.rglob("*key.pem"), *home.glob("*key.pem")]
    assert len(keys) == 5
    assert all(is_encrypted(key) for key in keys)


def test_a_node_remembers_where_its_passphrase_is(tmp_path: Path, given: tuple[str, Path]) -> None:
    """Its settings name the file, so that it starts unattended; what is in the file stands nowhere else."""
    home = tmp_path / "node"
    done("node", "new", home, "--organisation", "north", "--listen", "127.0.0.1:1", *given)
    assert is_encrypted(home / "validator" / "key.pem")
    assert is_encrypted(home / "tls" / "key.pem")
    settings = (home / "node.json").read_text()
    assert str(given[1]) in settings
    assert PASSPHRASE not in settings


def test_without_the_passphrase_the_error_says_how(authority: Path, tmp_path: Path) -> None:
    """PASSPHRASE_MISSING, exit code 2; the variable with the file's name is as good as the option."""
    home = tmp_path / "clerk"
    done("identity", "new", home, "--organisation", "north", "--role", "operator")
    signing = ("identity", "sign", home / "request.pem", "--org", authority)
    ended = command(*signing)
    assert ended.code == 2
    assert "error PASSPHRASE_MISSING" in ended.err
    assert "--key-passphrase-file" in ended.err
    done(*signing, "-o", tmp_path / "out.pem", env={passphrases.VARIABLE: str(tmp_path / "passphrase")})


def test_a_wrong_passphrase_and_a_loose_file_are_told_apart(authority: Path, tmp_path: Path) -> None:
    """PASSPHRASE_WRONG and KEY_FILE_UNSAFE; neither shows what was in the file."""
    home = tmp_path / "clerk"
    done("identity", "new", home, "--organisation", "north", "--role", "operator")
    wrong = passphrase(tmp_path, "another horse altogether", "wrong")

    def sign() -> Ended:
        return command("identity", "sign", home / "request.pem", "--org", authority, "--key-passphrase-file", wrong)

    ended = sign()
    assert (ended.code, "error PASSPHRASE_WRONG" in ended.err, "horse" in ended.err) == (2, True, False)
    wrong.chmod(0o644)
    ended = sign()
    assert (ended.code, "error KEY_FILE_UNSAFE" in ended.err, "chmod 600" in ended.err) == (2, True, True)


def test_protect_puts_on_changes_and_takes_off(tmp_path: Path, given: tuple[str, Path]) -> None:
    """By files alone; a folder stands for all its keys; the key stays the same."""
    home = tmp_path / "clerk"
    done("identity", "new", home, "--organisation", "north", "--role", "operator")
    key, tls = home / "key.pem", home / "tls-key.pem"
    public = load_key(key).public_key
    new = passphrase(tmp_path, "a second passphrase", "new")
    done("identity", "protect", home, "--new-passphrase-file", given[1])
    assert is_encrypted(key)
    assert is_encrypted(tls)
    done("identity", "protect", home, *given, "--new-passphrase-file", new)
    assert load_key(key, from_file(new)).public_key == public
    ended = command("identity", "protect", home, *given, "--remove")
    assert (ended.code, "error PASSPHRASE_WRONG" in ended.err) == (2, True)
    done("identity", "protect", home, "--key-passphrase-file", new, "--remove")
    assert load_key(key).public_key == public
    assert not is_encrypted(tls)


def test_protect_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    """No key there, no passphrase said, one that is too short: nothing is written."""
    assert command("identity", "protect", tmp_path, "--remove").code == 2
    home = tmp_path / "clerk"
    done("identity", "new", home, "--organisation", "north", "--role", "operator")
    before = (home / "key.pem").read_bytes()
    assert "--new-passphrase-file" in command("identity", "protect", home).err
    short = passphrase(tmp_path, "short", "short")
    assert "12 characters" in command("identity", "protect", home, "--new-passphrase-file", short).err
    assert (home / "key.pem").read_bytes() == before


# ---------------------------------------------------------------- at a terminal


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Somebody sits there and types these lines, one at each question; what was asked is in front of them."""
    typed: list[str] = []
    for module in (passphrases, org, protecting):
        monkeypatch.setattr(module, "at_terminal", lambda: True)
    monkeypatch.setattr(click, "prompt", lambda *_, **__: typed.pop(0))
    return typed


def test_an_organisation_made_by_hand_is_asked_for_a_passphrase(tmp_path: Path, terminal: list[str]) -> None:
    """Its two keys speak for the organisation; the empty answer leaves them plain, and so does the option."""
    terminal += [PASSPHRASE, ""]
    done("org", "init", tmp_path / "north", "north")
    done("org", "init", tmp_path / "south", "south")
    done("org", "init", tmp_path / "east", "east", "--no-passphrase")
    kept = [is_encrypted(root_directory(tmp_path / name) / "key.pem") for name in ("north", "south", "east")]
    assert kept == [True, False, False]
    assert terminal == []


def test_one_answer_serves_all_files_of_a_command(authority: Path, tmp_path: Path, terminal: list[str]) -> None:
    """A new issuing authority needs the root's key and the kind of the one before: one question."""
    before = (issuing_directory(authority) / "certificate.pem").read_text()
    terminal.append(PASSPHRASE)
    done("org", "issuing", authority)
    assert (issuing_directory(authority) / "certificate.pem").read_text() != before
    assert is_encrypted(issuing_directory(authority) / "key.pem")


@pytest.mark.slow
def test_what_is_typed_at_a_real_terminal_is_not_shown(tmp_path: Path) -> None:
    """A process with a terminal of its own asks twice for the new passphrase, and echoes neither."""
    home = tmp_path / "clerk"
    done("identity", "new", home, "--organisation", "north", "--role", "operator")
    child, screen = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "ledgernode.cli", "identity", "protect", str(home / "key.pem")])
    seen = b""
    for question in (b"passphrase for", b"epeat"):
        while question not in seen:
            seen += os.read(screen, 4_096)
        os.write(screen, PASSPHRASE.encode() + b"\n")
    try:
        while part := os.read(screen, 4_096):
            seen += part
    except OSError:  # the other end is closed
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, seen
    assert b"horse" not in seen
    assert load_key(home / "key.pem", from_file(passphrase(tmp_path))).public_key
