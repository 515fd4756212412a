"""`ledgernode wallet`: words out, the key back in, and never over another."""

from __future__ import annotations

from pathlib import Path

import msgspec
from click.testing import CliRunner

from ledgernode.cli import main
from ledgernode.identity.keys import PrivateKey


def run(*words: str, stdin: str = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["wallet", *words], input=stdin)
    return result.exit_code, result.stdout, result.stderr


def test_the_words_that_were_shown_bring_the_key_back(tmp_path: Path) -> None:
    code, out, _ = run("new", "--json")
    made = msgspec.json.decode(out)
    assert code == 0
    code, out, _ = run("recover", str(tmp_path / "w"), "--phrase-file", "-", "--json", stdin=made["phrase"])
    assert code == 0
    assert made["phrase"] not in out
    found = msgspec.json.decode(out)
    assert (found["public_key"], found["identity"]) == (made["public_key"], made["identity"])
    path = tmp_path / "w" / "key.pem"
    assert PrivateKey.load(path).public_key.hex() == made["public_key"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_words_are_shown_for_people_too() -> None:
    _, out, _ = run("new")
    assert "12 " in out
    assert "shown this once" in out


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    phrase = msgspec.json.decode(run("new", "--json")[1])["phrase"]
    assert run("recover", str(tmp_path), "--phrase-file", "-", stdin=phrase)[0] == 0
    before = (tmp_path / "key.pem").read_bytes()
    code, _, told = run("recover", str(tmp_path), "--phrase-file", "-", "--account", "1", stdin=phrase)
    assert code != 0
    assert "KEY_FILE_UNSAFE" in told
    assert (tmp_path / "key.pem").read_bytes() == before


def test_wrong_words_are_told_and_write_nothing(tmp_path: Path) -> None:
    code, _, told = run("recover", str(tmp_path / "w"), "--phrase-file", "-", stdin="one two three")
    assert code != 0
    assert "PHRASE_INVALID" in told
    assert not (tmp_path / "w").exists()
