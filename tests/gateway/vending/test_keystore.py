"""Vending keys at rest: sealed, its owner's alone, never shown; and the module in front of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from gateway.vending.keystore import KeyStore, add_key, change_passphrase, open_store, read_facts, read_passphrase
from gateway.vending.minting import Token, digits_of, hash_of
from gateway.vending.module import KeyStoreModule
from gateway.vending.remote import ModuleServer, SocketModule
from ledgernode.errors import (
    BadRequest,
    BadTokenParameter,
    KeyFileUnsafe,
    KeyStoreInvalid,
    NodeUnreachable,
    VendingKeyUnknown,
)
from ledgernode.sts.keys import KeyParameters, KeyType, Secret, derivation
from ledgernode.sts.pan import read_pan
from ledgernode.sts.tid import BaseDate
from tests.gateway.vending.keys import PASSPHRASE, VENDING_KEY, key_store, passphrase_file

pytestmark = pytest.mark.slow

PUBLISHED = Token(
    credit=1,
    point="north:house",
    device="aa",
    pan="600727000000000009",
    base=1993,
    tid=5_871_660,
    rnd=5,
    units=1,
    key_revision=1,
    tariff_index=1,
    supply_group="123457",
)


def test_a_key_is_sealed_and_found_again(tmp_path: Path) -> None:
    """Of two keys each by its label; the file is 0600 and shows neither; the check value tells them apart."""
    path = key_store(tmp_path)
    other = add_key(path, PASSPHRASE, supply_group="654321", key_type=1, key_revision=2)
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert bytes(VENDING_KEY).hex() not in text
    store = open_store(path, PASSPHRASE)
    assert store.find("vending/123457/1") == VENDING_KEY
    assert store.find(other.label) not in (None, VENDING_KEY)
    assert store.find("vending/123457/2") is None
    first, second = read_facts(path)
    assert (first.label, first.key_type, second) == ("vending/123457/1", 2, other)
    assert first.check != second.check
    assert [one.name for one in tmp_path.iterdir()] == ["keys.json"]


def test_keys_never_print(tmp_path: Path) -> None:
    """Neither the store, nor a key, nor the passphrase, nor an error."""
    path = key_store(tmp_path)
    store = open_store(path, PASSPHRASE)
    shown = f"{store!r} {store.find('vending/123457/1')!r} {PASSPHRASE} {PASSPHRASE!r}"
    with pytest.raises(KeyStoreInvalid) as refused:
        open_store(path, Secret(b"another passphrase"))
    for text in (shown, str(refused.value)):
        assert "abab" not in text
        assert "otters" not in text
        assert "another" not in text.replace("is another one", "")


def test_what_was_altered_does_not_open(tmp_path: Path) -> None:
    """What stands beside a key is sealed with it: a key cannot be given another group, revision or type."""
    path = key_store(tmp_path)
    good = json.loads(path.read_text())
    for change in ({"supply_group": "123458"}, {"key_revision": 2}, {"key_type": 1}, {"check": "000000"}):
        bad = json.loads(json.dumps(good))
        bad["keys"][0]["facts"] |= change
        path.write_text(json.dumps(bad))
        with pytest.raises(KeyStoreInvalid):
            open_store(path, PASSPHRASE)
    for text in ("", "{}", "[]", json.dumps(good | {"format": 2}), json.dumps(good | {"scrypt_n": 1 << 30})):
        path.write_text(text)
        with pytest.raises(KeyStoreInvalid):
            open_store(path, PASSPHRASE)


def test_what_others_can_read_is_not_used(tmp_path: Path) -> None:
    path, passphrase = key_store(tmp_path), passphrase_file(tmp_path)
    assert read_passphrase(passphrase) == PASSPHRASE
    for file, opening in (
        (path, lambda: open_store(path, PASSPHRASE)),
        (passphrase, lambda: read_passphrase(passphrase)),
    ):
        file.chmod(0o640)
        with pytest.raises(KeyFileUnsafe):
            opening()
        file.chmod(0o600)
    passphrase.write_text("short\n")
    with pytest.raises(KeyStoreInvalid):
        read_passphrase(passphrase)


def test_a_label_stands_once_and_the_passphrase_stays(tmp_path: Path) -> None:
    path = key_store(tmp_path)
    with pytest.raises(BadRequest):
        add_key(path, PASSPHRASE, supply_group="123457", key_type=2, key_revision=1)
    with pytest.raises(KeyStoreInvalid):
        add_key(path, Secret(b"another passphrase"), supply_group="123458", key_type=2, key_revision=1)
    for group, kind, revision in (("12345", 2, 1), ("123458", 3, 1), ("123458", 2, 0)):
        with pytest.raises(BadTokenParameter):
            add_key(path, PASSPHRASE, supply_group=group, key_type=kind, key_revision=revision)
    assert len(read_facts(path)) == 1


def test_another_passphrase_seals_every_key_anew(tmp_path: Path) -> None:
    """The same keys under the new one, none under the old; a wrong one changes nothing."""
    path, new = key_store(tmp_path), Secret(b"a second passphrase")
    add_key(path, PASSPHRASE, supply_group="123458", key_type=2, key_revision=1)
    before, keys = path.read_bytes(), open_store(path, PASSPHRASE)
    with pytest.raises(KeyStoreInvalid):
        change_passphrase(path, new, PASSPHRASE)
    assert path.read_bytes() == before
    labels = [facts.label for facts in change_passphrase(path, PASSPHRASE, new)]
    with pytest.raises(KeyStoreInvalid):
        open_store(path, PASSPHRASE)
    after = open_store(path, new)
    assert labels == [facts.label for facts in keys.facts()] == [facts.label for facts in after.facts()]
    assert [bytes(after.find(label) or b"") for label in labels] == [bytes(keys.find(label) or b"") for label in labels]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_the_published_token_comes_out_of_a_module(tmp_path: Path) -> None:
    """The vector of the standard, by the seam; the same credit gives the same digits."""
    module = KeyStoreModule(open_store(key_store(tmp_path), PASSPHRASE))
    assert await digits_of(module, PUBLISHED) == await digits_of(module, PUBLISHED) == "59386323472137426967"
    assert len(hash_of("59386323472137426967")) == 64
    with pytest.raises(VendingKeyUnknown):
        await digits_of(module, msgspec.structs.replace(PUBLISHED, key_revision=2))
    await module.close()
    with pytest.raises(VendingKeyUnknown):
        await digits_of(module, PUBLISHED)


async def test_a_module_signs_nothing_but_derivations(tmp_path: Path) -> None:
    module = KeyStoreModule(open_store(key_store(tmp_path), PASSPHRASE))
    for message in (b"", b"anything", derivation(parameters())[:3] + b"x" * 500):
        with pytest.raises(BadRequest):
            await module.sign("vending/123457/1", message)


def parameters() -> KeyParameters:
    return KeyParameters(
        pan=read_pan(PUBLISHED.pan),
        supply_group="123457",
        tariff_index="01",
        key_revision=1,
        key_type=KeyType.UNIQUE,
        base=BaseDate.Y1993,
    )


async def test_a_module_behind_a_socket(tmp_path: Path) -> None:
    """Same digits; its refusals keep their codes; it may come back; garbage is answered; nobody else can enter."""
    path = tmp_path / "module" / "socket"
    server = ModuleServer(KeyStoreModule(open_store(key_store(tmp_path), PASSPHRASE)), path)
    client = SocketModule(path)
    with pytest.raises(NodeUnreachable):
        await client.keys()
    await server.start()
    assert await digits_of(client, PUBLISHED) == "59386323472137426967"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with pytest.raises(VendingKeyUnknown):
        await client.sign("vending/1/1", derivation(parameters()))
    with pytest.raises(BadRequest):
        await client.sign("vending/123457/1", b"x")
    with pytest.raises(BadRequest):
        await ModuleServer(KeyStoreModule(KeyStore({})), path).start()
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"garbage\n")
    assert b"REQUEST_INVALID" in await reader.readline()
    writer.write(b"x" * 100_000)
    assert await reader.read() == b""
    writer.close()
    await server.stop()
    again = ModuleServer(KeyStoreModule(open_store(tmp_path / "keys.json", PASSPHRASE)), path)
    await again.start()
    assert await digits_of(client, PUBLISHED) == "59386323472137426967"
    await client.close()
    await again.stop()
    assert [one.name for one in path.parent.iterdir()] == []
