"""Mutual TLS on a real connection: who gets in, and as whom."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import msgspec
import pytest

from ledgernode.errors import BadCertificate, KeyFileUnsafe, UnknownSigner
from ledgernode.identity import certificate_profile as profile
from ledgernode.identity.certificates import CertificateAuthority, Purpose, build_request, issue
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import Role
from ledgernode.identity.tls import (
    Peer,
    TlsFiles,
    Trust,
    channel_credentials,
    load_tls,
    peer_identity,
    server_credentials,
    split_roots,
    write_roots,
)
from tests.identity.forging import DAY_MS, NOW_MS, Forgery, authorities, name


@pytest.fixture(scope="module")
def now_ms() -> int:
    """TLS libraries read the real clock, so these certificates begin at it."""
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def north(now_ms):
    return authorities("north", now_ms)


@pytest.fixture(scope="module")
def south(now_ms):
    return authorities("south", now_ms)


def folder(
    directory: Path,
    issuing: CertificateAuthority,
    roots: Sequence[str],
    now_ms: int,
    *,
    role: Role = Role.VALIDATOR,
    purpose: Purpose = Purpose.TLS,
    called: str = "v-1",
    prefix: str = "",
) -> TlsFiles:
    """TLS files of one end, on disk and read back."""
    key = PrivateKey.generate()
    request = build_request(key, organisation=issuing.organisation, role=role, name=called, purpose=purpose)
    names = ("localhost", "127.0.0.1") if purpose is Purpose.TLS else ()
    key.save(directory / f"{prefix}key.pem")
    (directory / f"{prefix}certificate.pem").write_text(issue(request, issuing, now_ms=now_ms, tls_names=names))
    write_roots(directory, roots)
    return load_tls(directory)


@asynccontextmanager
async def serving(files: TlsFiles | Trust, roots: Sequence[str], now_ms: int) -> AsyncIterator[str]:
    """A real server that answers with who it thinks calls."""
    trust = files if isinstance(files, Trust) else Trust(files)

    async def who(_request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        try:
            return repr(peer_identity(context.auth_context(), roots, now_ms)).encode()
        except BadCertificate as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))

    server = grpc.aio.server()
    handlers = {"Who": grpc.unary_unary_rpc_method_handler(who)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", handlers),))
    port = server.add_secure_port("127.0.0.1:0", server_credentials(trust))
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def ask(endpoint: str, credentials: grpc.ChannelCredentials) -> str:
    async with grpc.aio.secure_channel(endpoint, credentials) as channel:
        answer: bytes = await channel.unary_unary("/test.Test/Who")(b"", timeout=20)
        return answer.decode()


async def refused(endpoint: str, credentials: grpc.ChannelCredentials) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await ask(endpoint, credentials)
    return error.value.code()


async def test_two_organisations_meet_and_know_each_other(tmp_path, north, south, now_ms) -> None:
    """Each end shows its certificate; the server binds the connection to organisation, role and name."""
    roots = (north[0].certificate, south[0].certificate)
    node = folder(tmp_path / "node", north[1], roots, now_ms)
    client = folder(tmp_path / "client", south[1], roots, now_ms, role=Role.GATEWAY, called="gate-1", prefix="tls-")
    async with serving(node, roots, now_ms) as endpoint:
        answer = await ask(endpoint, channel_credentials(client))
    assert answer == repr(Peer("south", Role.GATEWAY, "gate-1"))


async def test_strangers_do_not_get_in(tmp_path, north, south, now_ms) -> None:
    """No certificate, a foreign root, a signing certificate: the handshake fails."""
    roots = (north[0].certificate,)
    node = folder(tmp_path / "node", north[1], roots, now_ms)
    friend = folder(tmp_path / "friend", north[1], roots, now_ms)
    foreign = folder(tmp_path / "foreign", south[1], roots, now_ms)
    signer = folder(tmp_path / "signer", north[1], roots, now_ms, purpose=Purpose.SIGNING)
    bare = grpc.ssl_channel_credentials(root_certificates=roots[0].encode())
    async with serving(node, roots, now_ms) as endpoint:
        assert await ask(endpoint, channel_credentials(friend))
        for credentials in (bare, channel_credentials(foreign), channel_credentials(signer)):
            assert await refused(endpoint, credentials) is grpc.StatusCode.UNAVAILABLE


async def test_a_root_that_a_ledger_names_later_is_taken_and_forgotten_without_a_restart(
    tmp_path, north, south, now_ms
) -> None:
    """The same server lets in who joined, and no longer who left; its own file's roots always."""
    node = folder(tmp_path / "node", north[1], (north[0].certificate,), now_ms)
    friend = folder(tmp_path / "friend", north[1], (north[0].certificate,), now_ms)
    joining = folder(tmp_path / "joining", south[1], (north[0].certificate, south[0].certificate), now_ms)
    trust = Trust(node)
    async with serving(trust, (north[0].certificate, south[0].certificate), now_ms) as endpoint:
        for _ in range(2):
            assert await refused(endpoint, channel_credentials(joining)) is grpc.StatusCode.UNAVAILABLE
            trust.name("market", (north[0].certificate, south[0].certificate))
            assert await ask(endpoint, channel_credentials(joining))
            assert await ask(endpoint, channel_credentials(friend))
            trust.name("market", ())
        assert await refused(endpoint, channel_credentials(joining)) is grpc.StatusCode.UNAVAILABLE
        assert await ask(endpoint, channel_credentials(friend))


def test_each_ledger_names_its_own_roots(tmp_path) -> None:
    """One ledger's word takes nothing from another's, nor from the file; each root counts once."""
    root, issuing = authorities()
    trust = Trust(folder(tmp_path / "node", issuing, (root.certificate,), NOW_MS))
    trust.name("market", ("a", "b"))
    trust.name("prepaid", ("b", root.certificate))
    assert trust.roots == (root.certificate, "a", "b")
    trust.name("market", ())
    assert trust.roots == (root.certificate, "b")
    assert "PRIVATE" not in repr(trust)


async def test_a_client_refuses_a_server_of_a_foreign_root(tmp_path, north, south, now_ms) -> None:
    """The other direction: nobody talks to an impostor."""
    both = (north[0].certificate, south[0].certificate)
    impostor = folder(tmp_path / "node", south[1], both, now_ms)
    client = folder(tmp_path / "client", north[1], (north[0].certificate,), now_ms)
    async with serving(impostor, both, now_ms) as endpoint:
        assert await refused(endpoint, channel_credentials(client)) is grpc.StatusCode.UNAVAILABLE


async def test_an_authority_cannot_lend_another_organisations_name(tmp_path, north, south, now_ms) -> None:
    """TLS accepts any chain under any root; the name in it counts under its own organisation's root only."""
    roots = (north[0].certificate, south[0].certificate)
    node = folder(tmp_path / "node", north[1], roots, now_ms)
    key = PrivateKey.generate()
    chain = Forgery(
        south[1],
        subject=name("north", "admin", "boss"),
        key=key.to_cryptography(),
        purposes=profile.purpose_extension(Purpose.TLS),
        from_ms=now_ms - 60_000,
        until_ms=now_ms + DAY_MS,
    ).chain()
    key.save(tmp_path / "forged.pem")
    forged = TlsFiles((tmp_path / "forged.pem").read_bytes(), chain, roots)
    async with serving(node, roots, now_ms) as endpoint:
        assert await refused(endpoint, channel_credentials(forged)) is grpc.StatusCode.UNAUTHENTICATED


def test_a_peer_without_a_certificate_is_nobody() -> None:
    """On a connection without TLS there is no name to read."""
    with pytest.raises(UnknownSigner):
        peer_identity({}, (), NOW_MS)


def test_a_peer_is_asked_again_as_time_passes(tmp_path) -> None:
    """A long connection does not outlive its certificate by more than a minute."""
    root, issuing = authorities()
    files = folder(tmp_path / "peer", issuing, (root.certificate,), NOW_MS)
    chain = files.certificate.encode()
    context = {"x509_pem_cert": [chain[: chain.index(b"-----END") + 26]], "x509_pem_cert_chain": [chain]}
    assert peer_identity(context, files.roots, NOW_MS) == ("north", Role.VALIDATOR, "v-1")
    with pytest.raises(BadCertificate, match="has ended"):
        peer_identity(context, files.roots, NOW_MS + 366 * DAY_MS)


def test_tls_keys_are_guarded_like_all_keys(tmp_path) -> None:
    """Loose modes and missing parts are refused; printing shows no secret."""
    root, issuing = authorities()
    files = folder(tmp_path / "node", issuing, (root.certificate,), NOW_MS)
    assert "PRIVATE" not in repr(files)
    (tmp_path / "node" / "key.pem").chmod(0o640)
    with pytest.raises(KeyFileUnsafe):
        load_tls(tmp_path / "node")
    (tmp_path / "node" / "key.pem").chmod(0o600)
    (tmp_path / "node" / "roots.pem").write_text("")
    with pytest.raises(BadCertificate, match="holds no certificate"):
        load_tls(tmp_path / "node")


def test_roots_come_apart_as_they_were_put_together() -> None:
    """One file, every organisation's root in it."""
    roots = tuple(authorities(organisation)[0].certificate for organisation in ("north", "south", "east"))
    assert split_roots("".join(roots)) == roots


async def test_a_certificate_that_is_renewed_and_roots_that_change_count_from_the_next_handshake_on(
    tmp_path, north, south, now_ms
) -> None:
    """Without a restart: the server shows the new one, lets in who stands under the new roots, and nobody else."""
    both = (north[0].certificate, south[0].certificate)
    old = folder(tmp_path / "old", north[1], (north[0].certificate,), now_ms)
    new = folder(tmp_path / "new", south[1], both, now_ms)
    friend = folder(tmp_path / "friend", north[1], both, now_ms)
    joining = folder(tmp_path / "joining", south[1], both, now_ms)
    trust = Trust(old)
    trust.name("market", (north[0].certificate,))
    async with serving(trust, both, now_ms) as endpoint:
        only_north = msgspec.structs.replace(friend, roots=(north[0].certificate,))
        assert await ask(endpoint, channel_credentials(only_north))
        assert await refused(endpoint, channel_credentials(joining)) is grpc.StatusCode.UNAVAILABLE
        trust.renew(new)
        assert await ask(endpoint, channel_credentials(joining))
        assert await refused(endpoint, channel_credentials(only_north)) is grpc.StatusCode.UNAVAILABLE
        trust.renew(msgspec.structs.replace(new, roots=(north[0].certificate,)))
        assert await refused(endpoint, channel_credentials(joining)) is grpc.StatusCode.UNAVAILABLE
        assert await ask(endpoint, channel_credentials(friend)), "what a ledger names is trusted besides"
