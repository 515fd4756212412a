"""Chains: what an organisation's authority makes holds; nothing else does."""

from __future__ import annotations

import base64

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgernode.errors import BadCertificate
from ledgernode.identity import certificate_profile as profile
from ledgernode.identity.certificates import (
    CertificateAuthority,
    Purpose,
    build_request,
    check_root,
    create_intermediate,
    create_root,
    issue,
    read_certificate,
    read_request,
    verify_chain,
    verify_tls_chain,
)
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import Role
from tests.identity.forging import DAY_MS, NOW_MS, Forgery, authorities, forged_authority, name

ROOT, ISSUING = authorities()
FOREIGN_ROOT, FOREIGN = authorities("south")
ROOTS = (ROOT.certificate,)
KEY = PrivateKey.generate()


def request(**changes) -> str:
    standard = {"organisation": "north", "role": Role.METER, "name": "m-1", "attributes": {"feeder": "TX-9", "ä": "ü"}}
    return build_request(KEY, **{**standard, **changes})


CHAIN = issue(request(), ISSUING, now_ms=NOW_MS)


def test_a_chain_says_who_its_key_is() -> None:
    """Organisation, role, name, attributes, key and one year of validity come out as they went in."""
    found = verify_chain(CHAIN, ROOTS, NOW_MS)
    assert (found.organisation, found.role, found.name) == ("north", Role.METER, "m-1")
    assert found.attributes == {"feeder": "TX-9", "ä": "ü"}
    assert found.public_key == KEY.public_key
    assert found.not_before_ms <= NOW_MS
    assert found.not_after_ms == NOW_MS + 365 * DAY_MS
    leaf = x509.load_pem_x509_certificates(CHAIN.encode())[0]
    assert found.certificate_hash == leaf.fingerprint(hashes.SHA256()).hex()
    assert read_certificate(CHAIN) == found


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(list(Role)),
    st.from_regex(profile.NAME_FORM, fullmatch=True),
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=20),
        st.text(st.characters(codec="utf-8"), max_size=40),
        max_size=8,
    ),
)
def test_every_member_comes_back_from_its_certificate(role: Role, called: str, attributes: dict[str, str]) -> None:
    """Reading is the inverse of issuing, for any role, name and attributes."""
    chain = issue(request(role=role, name=called, attributes=attributes), ISSUING, now_ms=NOW_MS)
    found = verify_chain(chain, ROOTS, NOW_MS)
    assert (found.role, found.name, found.attributes) == (role, called, attributes)


def test_the_answer_depends_on_the_time_given_only() -> None:
    """Validity is asked of `at_ms`, to the second on both ends."""
    found = verify_chain(CHAIN, ROOTS, NOW_MS)
    assert verify_chain(CHAIN, ROOTS, found.not_before_ms) == found
    assert verify_chain(CHAIN, ROOTS, found.not_after_ms) == found
    with pytest.raises(BadCertificate, match="not valid yet"):
        verify_chain(CHAIN, ROOTS, found.not_before_ms - 1)
    with pytest.raises(BadCertificate, match="the certificate has ended"):
        verify_chain(CHAIN, ROOTS, found.not_after_ms + 1)


def test_any_of_several_roots_will_do() -> None:
    """While one root replaces another both hold, in either order; then the old one's chains end with it."""
    new_root, new_issuing = authorities()
    new_chain = issue(request(), new_issuing, now_ms=NOW_MS)
    for roots in ((ROOT.certificate, new_root.certificate), (new_root.certificate, ROOT.certificate)):
        assert verify_chain(CHAIN, roots, NOW_MS).name == "m-1"
        assert verify_chain(new_chain, roots, NOW_MS).name == "m-1"
    with pytest.raises(BadCertificate, match="not signed by its authority"):
        verify_chain(CHAIN, (new_root.certificate,), NOW_MS)
    with pytest.raises(BadCertificate, match="no root is known"):
        verify_chain(CHAIN, (), NOW_MS)
    with pytest.raises(BadCertificate, match=r"is of north, its authority of south"):
        verify_chain(CHAIN, (FOREIGN_ROOT.certificate,), NOW_MS)


def test_an_ended_root_ends_what_stands_on_it() -> None:
    """The whole chain is valid at the time, or none of it."""
    chain = issue(request(), ISSUING, now_ms=NOW_MS)
    short = create_root("north", now_ms=NOW_MS, days=10)
    below = create_intermediate(short, now_ms=NOW_MS)
    ending = issue(request(), below, now_ms=NOW_MS)
    assert verify_chain(ending, (short.certificate,), NOW_MS).not_after_ms == NOW_MS + 10 * DAY_MS
    with pytest.raises(BadCertificate, match="has ended"):
        verify_chain(ending, (short.certificate,), NOW_MS + 11 * DAY_MS)
    assert verify_chain(chain, (short.certificate, *ROOTS), NOW_MS + 11 * DAY_MS)


def test_every_certificate_of_a_chain_must_have_begun() -> None:
    """An authority that is not yet valid certifies nothing, whatever the leaf says of itself."""
    late_root = create_root("north", now_ms=NOW_MS + 20 * DAY_MS)
    early = Forgery(forged_authority(late_root)).chain()
    assert verify_chain(early, (late_root.certificate,), NOW_MS + 20 * DAY_MS)
    with pytest.raises(BadCertificate, match="the root is not valid yet"):
        verify_chain(early, (late_root.certificate,), NOW_MS + 2 * DAY_MS)
    late_issuing = Forgery(forged_authority(ROOT, from_ms=NOW_MS + 20 * DAY_MS)).chain()
    assert verify_chain(late_issuing, ROOTS, NOW_MS + 20 * DAY_MS)
    with pytest.raises(BadCertificate, match="the issuing certificate is not valid yet"):
        verify_chain(late_issuing, ROOTS, NOW_MS + 2 * DAY_MS)


# name -> (the forged chain, a word of the reason)
FORGED = {
    "signed by another key": (Forgery(ISSUING, signer=KEY.to_cryptography()).chain(), "not signed by"),
    "another issuer's name": (Forgery(ISSUING, issuer=name()).chain(), "not signed by"),
    "another organisation's name": (
        Forgery(ISSUING, subject=name("south")).chain(),
        "of south, its authority of north",
    ),
    "no role": (Forgery(ISSUING, subject=name(role=None)).chain(), "a subject is O"),
    "no organisation": (Forgery(ISSUING, subject=name(organisation=None)).chain(), "a subject is O"),
    "no name": (Forgery(ISSUING, subject=name(common=None)).chain(), "a subject is O"),
    "unknown role": (Forgery(ISSUING, subject=name(role="owner")).chain(), "no role 'owner'"),
    "two roles": (
        Forgery(ISSUING, subject=x509.Name([*name(), *name(None, "admin", None)])).chain(),
        "a subject is O",
    ),
    "a country besides": (
        Forgery(ISSUING, subject=x509.Name([*name(), x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "XX")])).chain(),
        "a subject is O",
    ),
    "name before organisation": (
        Forgery(ISSUING, subject=x509.Name(list(name())[::-1])).chain(),
        "a subject is O",
    ),
    "name with a path in it": (Forgery(ISSUING, subject=name(common="../root")).chain(), "a name has"),
    "organisation in capitals": (Forgery(ISSUING, subject=name("North")).chain(), "an organisation's name"),
    "RSA key": (Forgery(ISSUING, key=rsa.generate_private_key(65537, 2048)).chain(), "P-256"),
    "P-384 key": (Forgery(ISSUING, key=ec.generate_private_key(ec.SECP384R1())).chain(), "P-256"),
    "SHA-384": (Forgery(ISSUING, hash=hashes.SHA384()).chain(), "ECDSA with SHA-256"),
    "outlives its authority": (
        Forgery(ISSUING, until_ms=NOW_MS + 9_000 * DAY_MS).chain(),
        "outlives its authority",
    ),
    "no key usage": (Forgery(ISSUING, usage=None).chain(), "cannot be read"),
    "key usage of an authority": (Forgery(ISSUING, usage=profile.usage_extension(authority=True)).chain(), "says so"),
    "constraints not critical": (Forgery(ISSUING, critical=False).chain(), "says so"),
    "no purpose": (Forgery(ISSUING, purposes=None).chain(), "cannot be read"),
    "both purposes": (
        Forgery(ISSUING, purposes=x509.ExtendedKeyUsage([profile.SIGNING, ExtendedKeyUsageOID.CLIENT_AUTH])).chain(),
        "either for signing",
    ),
    "an unknown extension": (
        Forgery(ISSUING, extensions=(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"x"),)).chain(),
        "1.2.3 is none",
    ),
    "a TLS name on a signing key": (
        Forgery(ISSUING, extensions=(x509.SubjectAlternativeName([x509.DNSName("a.example")]),)).chain(),
        "2.5.29.17 is none",
    ),
    "attributes unsorted": (
        Forgery(ISSUING, extensions=(x509.UnrecognizedExtension(profile.ATTRIBUTES, b'{"b":"1","a":"2"}'),)).chain(),
        "sorted and compact",
    ),
    "attributes with a key twice": (
        Forgery(ISSUING, extensions=(x509.UnrecognizedExtension(profile.ATTRIBUTES, b'{"a":"1","a":"2"}'),)).chain(),
        "sorted and compact",
    ),
    "attributes that are numbers": (
        Forgery(ISSUING, extensions=(x509.UnrecognizedExtension(profile.ATTRIBUTES, b'{"a":1}'),)).chain(),
        "JSON object of text",
    ),
    "attributes that are no UTF-8": (
        Forgery(ISSUING, extensions=(x509.UnrecognizedExtension(profile.ATTRIBUTES, b'{"a":"\xff"}'),)).chain(),
        "JSON object of text",
    ),
    "too many attributes": (
        Forgery(
            ISSUING,
            extensions=(
                profile.attributes_extension({f"{number:02}": "" for number in range(profile.ATTRIBUTES_LIMIT + 1)}),
            ),
        ).chain(),
        "at most 32 attributes",
    ),
    "issued by the root itself": (Forgery(ROOT).chain(), "CA, path length 0"),
    "issued by another member": (
        Forgery(CertificateAuthority("north", KEY, CHAIN[: CHAIN.index("-----END") + 26])).chain(),
        "CA, path length 0",
    ),
    "an authority as a leaf": (forged_authority(ISSUING).certificate + ISSUING.certificate, "nobody's identity"),
    "an authority with path length 1 between": (
        Forgery(forged_authority(ROOT, path_length=1)).chain(),
        "CA, path length 0",
    ),
    "an authority under another's root": (
        Forgery(forged_authority(FOREIGN_ROOT, subject=name("north", None, "issuing"))).chain(),
        "not signed by its authority",
    ),
    "an authority that outlives its root": (
        Forgery(forged_authority(ROOT, until_ms=NOW_MS + 9_000 * DAY_MS)).chain(),
        "issuing certificate outlives",
    ),
    "an authority with a signing purpose": (
        Forgery(forged_authority(ROOT, purposes=profile.purpose_extension(Purpose.SIGNING))).chain(),
        "2.5.29.37 is none",
    ),
    "an ended authority": (
        Forgery(forged_authority(ROOT, until_ms=NOW_MS + DAY_MS), until_ms=NOW_MS + DAY_MS).chain(),
        "has ended",
    ),
    "an authority without organisation": (
        Forgery(forged_authority(ROOT, subject=name(None, None, "issuing"))).chain(),
        "a subject is O",
    ),
    "not yet valid": (Forgery(ISSUING, from_ms=NOW_MS + 10 * DAY_MS).chain(), "not valid yet"),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_chains_are_refused_with_the_reason(case: str) -> None:
    """Every certificate of a chain has its form, its organisation, its authority and its time."""
    chain, reason = FORGED[case]
    with pytest.raises(BadCertificate, match=reason):
        verify_chain(chain, ROOTS, NOW_MS + 2 * DAY_MS)


def test_the_forger_itself_makes_valid_chains() -> None:
    """So that each refusal above is due to the one part that was changed."""
    assert verify_chain(Forgery(ISSUING).chain(), ROOTS, NOW_MS).name == "m-1"
    assert verify_chain(Forgery(forged_authority(ROOT)).chain(), ROOTS, NOW_MS).name == "m-1"


TEXTS = {
    "empty": "",
    "no PEM": "certificate",
    "leaf alone": CHAIN[: CHAIN.index("-----END") + 26],
    "with its root": CHAIN + ROOT.certificate,
    "turned round": ISSUING.certificate + CHAIN[: CHAIN.index("-----END") + 26],
    "a comment before": "# mine\n" + CHAIN,
    "other line ends": CHAIN.replace("\n", "\r\n"),
    "cut short": CHAIN[:-40],
    "not ASCII": CHAIN.replace("-----END", "-----ÉND", 1),
    "a letter changed": CHAIN.replace("MII", "MIJ", 1),
    "too long": CHAIN + "\n" * 40_000,
}


@pytest.mark.parametrize("case", TEXTS)
def test_texts_that_are_no_chain_are_refused(case: str) -> None:
    """One text for one chain: a leaf, its authority, nothing else."""
    with pytest.raises(BadCertificate):
        verify_chain(TEXTS[case], ROOTS, NOW_MS)


def test_a_private_key_never_rides_along() -> None:
    """A file with key and certificate in one is refused before it can reach a ledger."""
    secret = KEY.to_cryptography().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(BadCertificate, match="more than certificates"):
        verify_chain(CHAIN + secret.decode(), ROOTS, NOW_MS)


LEAF, ABOVE = x509.load_pem_x509_certificates(CHAIN.encode())
LEAF_DER = LEAF.public_bytes(serialization.Encoding.DER)


def armoured(der: bytes) -> str:
    text = base64.encodebytes(der).replace(b"\n", b"").decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


@settings(max_examples=150, deadline=None)
@given(st.integers(4, 3 + len(LEAF.tbs_certificate_bytes)), st.integers(1, 255))
@pytest.mark.filterwarnings("ignore:Parsed a serial number", "ignore:Attribute's length")
def test_no_changed_byte_of_what_was_signed_goes_through(at: int, change: int) -> None:
    """The authority's signature covers every byte before it."""
    changed = bytearray(LEAF_DER)
    changed[at] ^= change
    assert armoured(LEAF_DER) + profile.pem(ABOVE) == CHAIN
    with pytest.raises(BadCertificate):
        verify_chain(armoured(bytes(changed)) + profile.pem(ABOVE), ROOTS, NOW_MS)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(LEAF_DER) - 1), st.binary(max_size=3)), min_size=1, max_size=4))
@pytest.mark.filterwarnings("ignore:Parsed a serial number", "ignore:Attribute's length")
def test_no_bytes_bring_the_reader_down(changes: list[tuple[int, bytes]]) -> None:
    """Whatever stands in a certificate is refused as such, or says the same as before.

    (A signature has other encodings that hold, so a changed certificate may still say the same.)
    """
    changed = LEAF_DER
    for at, piece in changes:
        changed = changed[:at] + piece + changed[at + 1 :]
    try:
        found = verify_chain(armoured(changed) + profile.pem(ABOVE), ROOTS, NOW_MS)
    except BadCertificate:
        return
    assert msgspec.structs.replace(found, certificate_hash="") == msgspec.structs.replace(
        verify_chain(CHAIN, ROOTS, NOW_MS), certificate_hash=""
    )


def test_a_refusal_never_quotes_a_library() -> None:
    """The words stand in receipts: another version of a library must not change a hash."""
    for text in (*TEXTS.values(), *(chain for chain, _ in FORGED.values())):
        with pytest.raises(BadCertificate) as refused:
            verify_chain(text, ROOTS, NOW_MS + 2 * DAY_MS)
        cause = refused.value.__cause__
        assert cause is None or not str(cause) or str(cause) not in refused.value.message


# ---------------------------------------------------------------- roots


def test_a_root_is_checked_for_form_owner_and_time() -> None:
    """Only a self-signed authority with path length 1 anchors an organisation."""
    check_root(ROOT.certificate, "north", NOW_MS)
    with pytest.raises(BadCertificate, match="a root of north is given as one of south"):
        check_root(ROOT.certificate, "south", NOW_MS)
    with pytest.raises(BadCertificate, match="has ended"):
        check_root(ROOT.certificate, "north", NOW_MS + 9_000 * DAY_MS)
    with pytest.raises(BadCertificate, match="path length 1"):
        check_root(ISSUING.certificate, "north", NOW_MS)
    with pytest.raises(BadCertificate, match="not signed by"):
        check_root(forged_authority(ROOT, path_length=1).certificate, "north", NOW_MS)


# ---------------------------------------------------------------- issuing


def test_an_authority_certifies_its_own_organisation_only() -> None:
    """The request's O must equal the authority's, and only an issuing authority certifies members."""
    with pytest.raises(BadCertificate, match="south cannot certify a member of north"):
        issue(request(), FOREIGN, now_ms=NOW_MS)
    with pytest.raises(BadCertificate, match="issuing authorities only"):
        issue(request(), ROOT, now_ms=NOW_MS)
    with pytest.raises(BadCertificate, match="issuing authorities only"):
        create_intermediate(ISSUING, now_ms=NOW_MS)


def test_an_ended_authority_certifies_nobody() -> None:
    """And what a living one certifies ends with it at the latest."""
    with pytest.raises(BadCertificate, match="has ended"):
        issue(request(), ISSUING, now_ms=NOW_MS + 4_000 * DAY_MS)
    near_the_end = NOW_MS + 3_600 * DAY_MS
    assert read_certificate(issue(request(), ISSUING, now_ms=near_the_end)).not_after_ms == NOW_MS + 3_650 * DAY_MS
    with pytest.raises(BadCertificate, match="at least one day"):
        issue(request(), ISSUING, now_ms=NOW_MS, days=0)
    with pytest.raises(BadCertificate, match="calendar"):
        create_root("north", now_ms=10**18)


@pytest.mark.parametrize(
    "changes",
    [
        {"organisation": "North"},
        {"organisation": "n"},
        {"organisation": "n" * 33},
        {"organisation": "9north"},
        {"name": ""},
        {"name": "../m"},
        {"name": "m" * 65},
        {"name": ".hidden"},
        {"attributes": {"a": "x" * 5_000}},
        {"attributes": {str(number): "" for number in range(33)}},
    ],
)
def test_requests_with_impossible_names_are_refused(changes) -> None:
    """What a certificate could not carry is refused where it is asked for."""
    with pytest.raises(BadCertificate):
        request(**changes)


def test_a_request_shows_possession_of_its_key() -> None:
    """A changed request is refused; so is text that is none."""
    member, key = read_request(request())
    assert member.name == "m-1"
    assert key.public_numbers() == KEY.to_cryptography().public_key().public_numbers()
    good = x509.load_pem_x509_csr(request().encode())
    raw = bytearray(good.public_bytes(serialization.Encoding.DER))
    raw[-1] ^= 1
    changed = x509.load_der_x509_csr(bytes(raw)).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(BadCertificate, match="not signed by the key"):
        read_request(changed)
    for text in ("", "no request", CHAIN, "é"):
        with pytest.raises(BadCertificate, match="cannot be read"):
            read_request(text)


def test_a_request_of_another_kind_is_refused() -> None:
    """Foreign keys, and extensions that ask for more than a member may have."""
    standard = x509.CertificateSigningRequestBuilder().subject_name(name())
    purpose = profile.purpose_extension(Purpose.SIGNING)
    ambitious = standard.add_extension(purpose, critical=False).add_extension(
        x509.NameConstraints([x509.DNSName("a")], None), critical=True
    )
    for builder, key in (
        (standard.add_extension(purpose, critical=False), rsa.generate_private_key(65537, 2048)),
        (standard, KEY.to_cryptography()),
        (ambitious, KEY.to_cryptography()),
    ):
        text = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        with pytest.raises(BadCertificate):
            read_request(text)


# ---------------------------------------------------------------- TLS certificates


def test_signing_and_tls_certificates_never_stand_in_for_each_other() -> None:
    """One key does one thing, though both come from the same authority and say the same name and role."""
    tls = issue(request(purpose=Purpose.TLS), ISSUING, now_ms=NOW_MS, tls_names=("node.example", "127.0.0.1", "::1"))
    found = verify_tls_chain(tls, ROOTS, NOW_MS)
    assert msgspec.structs.replace(found, certificate_hash="") == msgspec.structs.replace(
        verify_chain(CHAIN, ROOTS, NOW_MS), certificate_hash=""
    )
    with pytest.raises(BadCertificate, match="is for tls, signing is needed"):
        verify_chain(tls, ROOTS, NOW_MS)
    with pytest.raises(BadCertificate, match="is for signing, tls is needed"):
        verify_tls_chain(CHAIN, ROOTS, NOW_MS)
    leaf = x509.load_pem_x509_certificates(tls.encode())[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["node.example"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("bad", ["", "a b", "-a", "a..b", "*.example", "https://a", "a:80", "é.example"])
def test_impossible_tls_names_are_refused(bad: str) -> None:
    """Host names and addresses only."""
    with pytest.raises(BadCertificate, match="a TLS name is"):
        issue(request(purpose=Purpose.TLS), ISSUING, now_ms=NOW_MS, tls_names=(bad,))


def test_a_signing_key_gets_no_tls_names() -> None:
    """The authority notices that it was handed the wrong request."""
    with pytest.raises(BadCertificate, match="TLS names belong"):
        issue(request(), ISSUING, now_ms=NOW_MS, tls_names=("a.example",))


# ---------------------------------------------------------------- authorities on disk


def test_an_authority_is_read_back_with_its_key(tmp_path) -> None:
    """Key and certificate belong together, or it is refused."""
    ISSUING.save(tmp_path / "ca")
    again = CertificateAuthority.load(tmp_path / "ca")
    assert (again.organisation, again.certificate) == ("north", ISSUING.certificate)
    assert verify_chain(issue(request(), again, now_ms=NOW_MS), ROOTS, NOW_MS)
    (tmp_path / "ca" / "certificate.pem").write_text(ROOT.certificate)
    with pytest.raises(BadCertificate, match=r"is not of key\.pem"):
        CertificateAuthority.load(tmp_path / "ca")
    (tmp_path / "ca" / "certificate.pem").unlink()
    with pytest.raises(BadCertificate, match="cannot be read"):
        CertificateAuthority.load(tmp_path / "ca")
