"""Names of keys in tokens, as RFC 7512 writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgernode.errors import BadRequest
from ledgernode.identity.pkcs11_uri import KeyUri, parse_uri

MODULE = "module-path=/usr/lib/token.so"


def test_every_part_is_read() -> None:
    """Percent-escapes are UTF-8 in texts and bytes in the id; the PIN's file is a URI or a path."""
    read = parse_uri(
        "pkcs11:token=north%20tower;serial=01ab;object=caf%C3%A9;id=%00%FF;type=private"
        f"?{MODULE}&pin-source=file:/etc/pin"
    )
    assert read == KeyUri("/usr/lib/token.so", "north tower", "01ab", "café", b"\x00\xff", "/etc/pin")
    for source in ("file:///etc/pin", "/etc/pin", "file:%2Fetc%2Fpin"):
        assert parse_uri(f"pkcs11:token=a;object=b?{MODULE}&pin-source={source}").pin_file == "/etc/pin"


def test_a_token_without_a_pin_and_a_key_by_its_id_are_named() -> None:
    assert parse_uri(f"pkcs11:serial=1;id=%01?{MODULE}") == KeyUri("/usr/lib/token.so", serial="1", id=b"\x01")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "PKCS #11 URI"),
        ("/etc/key.pem", "PKCS #11 URI"),
        (f"pkcs11:token=a;object=b?{MODULE}\n", "PKCS #11 URI"),
        (f"pkcs11:token=a b;object=c?{MODULE}", "PKCS #11 URI"),
        (f"pkcs11:token=%4;object=c?{MODULE}", "PKCS #11 URI"),
        (f"pkcs11:token={'x' * 3_000};object=c?{MODULE}", "PKCS #11 URI"),
        (f"pkcs11:token=a;object=b?{MODULE}&pin-value=1234", "file of its own"),
        ("pkcs11:token=a;object=b", "module-path"),
        ("pkcs11:token=a;object=b?module-path=token.so", "module-path"),
        (f"pkcs11:object=b?{MODULE}", "which token"),
        (f"pkcs11:token=a?{MODULE}", "which key"),
        (f"pkcs11:token=a;token=b;object=c?{MODULE}", "each name once"),
        (f"pkcs11:token;object=c?{MODULE}", "NAME=VALUE"),
        (f"pkcs11:token=a;object=b;slot-id=0?{MODULE}", "slot-id"),
        (f"pkcs11:token=a;object=b?{MODULE}&module-name=x", "module-name"),
        (f"pkcs11:token=a;object=b;type=cert?{MODULE}", "type=private"),
        (f"pkcs11:token=%FF;object=b?{MODULE}", "UTF-8"),
        (f"pkcs11:token=a;object=b?{MODULE}&pin-source=|cat%20pin", "the file with the PIN"),
        (f"pkcs11:token=a;object=b?{MODULE}&pin-source=file:pin", "the file with the PIN"),
    ],
)
def test_what_does_not_name_one_key_is_refused(uri: str, words: str) -> None:
    """To pass an attribute over could lead to another key than was meant."""
    with pytest.raises(BadRequest, match=words):
        parse_uri(uri)


def test_a_pin_in_the_name_is_not_told_again() -> None:
    with pytest.raises(BadRequest) as raised:
        parse_uri(f"pkcs11:token=a;object=b?{MODULE}&pin-value=31415926")
    assert "31415926" not in str(raised.value)


def test_its_printed_form_is_for_people() -> None:
    """Which key, without library and PIN file."""
    assert str(KeyUri("/m.so", "north", "", "v;1", b"\x01", "/pin")) == "pkcs11:token=north;object=v%3B1;id=01"


@given(st.text(max_size=80))
def test_nothing_but_our_refusal_comes_of_garbage(text: str) -> None:
    for uri in (text, f"pkcs11:{text}", f"pkcs11:token={text}", f"pkcs11:token=a;object=b?{text}"):
        try:
            parse_uri(uri)
        except BadRequest:
            continue
