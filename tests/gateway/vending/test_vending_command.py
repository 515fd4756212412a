"""`ledgernode vending`: keys and partners by the command line; no secret is shown twice."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.http.signature import Request, authorization, key_of
from gateway.vending.keystore import open_store
from gateway.vending.settings import gateways_of, read_settings
from ledgernode.cli import root
from ledgernode.errors import BadRequest, KeyFileUnsafe
from tests.gateway.vending.keys import PASSPHRASE, VENDING_KEY, key_store, passphrase_file

PAGE = (Path(__file__).parents[3] / "docs" / "vending.md").read_text(encoding="utf-8")


def run(*arguments: object) -> Any:
    return CliRunner().invoke(root.main, [str(one) for one in arguments])


def told(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_a_key_store_is_made_and_shown(tmp_path: Path) -> None:
    """A key that was brought, and a new one; shown are labels and check values, with or without the passphrase."""
    passphrase, store, brought = passphrase_file(tmp_path), tmp_path / "keys.json", tmp_path / "vending.key"
    brought.write_text(bytes(VENDING_KEY).hex())
    brought.chmod(0o600)
    new = ("vending", "keystore", "new", store, "--passphrase-file", passphrase, "--supply-group", "123457")
    made = told(*new, "--vending-key-file", brought)
    assert made["label"] == "vending/123457/1"
    assert open_store(store, PASSPHRASE).find("vending/123457/1") == VENDING_KEY
    told(*new, "--key-revision", 2, "--key-type", 1)
    shown = run("vending", "keystore", "show", store, "--passphrase-file", passphrase)
    assert ("vending/123457/1" in shown.output, "vending/123457/2" in shown.output) == (True, True)
    assert bytes(VENDING_KEY).hex() not in shown.output
    found = told("vending", "keystore", "show", store)
    assert (found["opened"], found["keys"][0]["check"]) == (False, made["check"])
    assert run(*new).exit_code == BadRequest.exit_code, "the label is taken"
    store.chmod(0o644)
    assert run("vending", "keystore", "show", store).exit_code == KeyFileUnsafe.exit_code


def test_partners_come_and_go(tmp_path: Path) -> None:
    """The secret is told once, and stands in the file as its hash."""
    made = told("vending", "partner", "add", tmp_path, "kiosk", "--kind", "bank", "--limit-minor", 500)
    file = tmp_path / "partners.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert made["secret"] not in file.read_text()
    assert hashlib.sha256(made["secret"].encode()).hexdigest() in file.read_text()
    [listed] = told("vending", "partner", "list", tmp_path)["partners"]
    assert listed == {"name": "kiosk", "kind": "bank", "payer": "", "limit_minor": 500}
    assert run("vending", "partner", "add", tmp_path, "kiosk").exit_code == BadRequest.exit_code
    assert run("vending", "partner", "add", tmp_path, "two words").exit_code == BadRequest.exit_code
    assert run("vending", "partner", "remove", tmp_path, "kiosk").exit_code == 0
    assert told("vending", "partner", "list", tmp_path)["partners"] == []
    assert run("vending", "partner", "remove", tmp_path, "kiosk").exit_code == BadRequest.exit_code


def test_a_service_that_is_set_up_wrongly_does_not_start(tmp_path: Path) -> None:
    """No settings, unknown names, a gateway's secret that others can read, no purchases yet."""
    with pytest.raises(BadRequest):
        read_settings(tmp_path)
    file = tmp_path / "vending.json"
    for text in ("{}", '{"utility": "north", "more": 1}', "garbage"):
        file.write_text(text)
        with pytest.raises(BadRequest):
            read_settings(tmp_path)
    gateway = {"url": "https://gateway:8443/", "name": "vending", "secret_file": "gateway.secret"}
    file.write_text(json.dumps({"utility": "north", "gateways": [gateway]}))
    (tmp_path / "gateway.secret").write_text("s")
    (tmp_path / "gateway.secret").chmod(0o644)
    with pytest.raises(KeyFileUnsafe):
        gateways_of(tmp_path, read_settings(tmp_path))
    (tmp_path / "gateway.secret").chmod(0o600)
    [found] = gateways_of(tmp_path, read_settings(tmp_path))
    assert (found.url.host, found.url.port, found.url.target) == ("gateway", 8443, "/api/v1/commands")
    assert "key" not in repr(found)
    assert run("vending", "purchases", tmp_path).exit_code == BadRequest.exit_code


def test_the_pages_way_of_signing_is_ours() -> None:
    """The three lines of docs/vending.md make the signature that is checked."""
    lines = re.search(r"( {4}key = .*?\n {4}signature = .*?\n)", PAGE, re.DOTALL)
    assert lines is not None
    time_ms, nonce, body = 1_767_225_600_000, "5f1c09aa", b'{"meter": "6"}'
    known: dict[str, Any] = {"hashlib": hashlib, "hmac": hmac, "secret": "s3cret", "body": body}
    known |= {"time_ms": time_ms, "nonce": nonce}
    exec("".join(line[4:] + "\n" for line in lines[1].splitlines()), known)
    ours = authorization("kiosk", key_of("s3cret"), Request("POST", "/api/v1/payments", body), time_ms, nonce)
    assert ours.endswith(f"signature={known['signature']}")


def test_the_page_shows_the_settings_that_are_read(tmp_path: Path) -> None:
    block = re.search(r"has a default:\n\n((?: {4}.*\n)+)", PAGE)
    assert block is not None
    (tmp_path / "vending.json").write_text(block[1])
    found = read_settings(tmp_path)
    assert (found.utility, found.supply_group, found.bounds.answer_ms) == ("north", "123457", 15_000)


def test_a_key_store_is_opened_by_its_own_passphrase_alone(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("another passphrase\n")
    other.chmod(0o600)
    shown = run("vending", "keystore", "show", key_store(tmp_path), "--passphrase-file", other)
    assert (shown.exit_code, "KEY_STORE_INVALID" in shown.output) == (2, True)


def test_a_key_store_gets_another_passphrase(tmp_path: Path) -> None:
    """By files alone; the first opens it no more."""
    store = key_store(tmp_path)
    first, second = passphrase_file(tmp_path), tmp_path / "second"
    second.write_text("a second passphrase\n")
    second.chmod(0o600)
    opened = ("vending", "keystore", "show", store, "--passphrase-file")
    changed = ("--passphrase-file", first, "--new-passphrase-file", second)
    assert run("vending", "keystore", "protect", store, *changed).exit_code == 0
    assert (run(*opened, second).exit_code, run(*opened, first).exit_code) == (0, 2)
