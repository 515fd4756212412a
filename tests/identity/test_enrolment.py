"""Enrolling many at once: all of a list, or none of it."""

from __future__ import annotations

import json

import pytest

from ledgernode import config
from ledgernode.errors import BadCertificate, BadRequest, IdentityExists
from ledgernode.identity.certificates import verify_chain
from ledgernode.identity.enrolment import NewIdentity, enroll_bulk, read_list
from ledgernode.identity.identity_files import load_identity, new_request
from ledgernode.identity.organisation import create_organisation, identity_directory, read_root
from ledgernode.identity.records import Role
from tests.identity.forging import NOW_MS


@pytest.fixture
def north(tmp_path):
    create_organisation(tmp_path / "north", "north", now_ms=NOW_MS)
    return tmp_path / "north"


def test_names_and_requests_are_enrolled_together(north, tmp_path) -> None:
    """A name gets its key here; a request is signed as it stands; progress is told for each."""
    request = new_request(tmp_path / "away", organisation="north", role=Role.GATEWAY, name="gate-1")
    told: list[tuple[int, int]] = []
    entries = [*(NewIdentity(f"m-{n}", Role.METER, {"feeder": str(n)}) for n in range(5)), request]
    enrolled = enroll_bulk(north, entries, now_ms=NOW_MS, progress=lambda done, total: told.append((done, total)))
    assert told == [(n, 6) for n in range(1, 7)]
    roots = (read_root(north)[1],)
    for number, one in enumerate(enrolled[:5]):
        found = verify_chain(one.certificate, roots, NOW_MS)
        assert (found.name, found.role, found.attributes) == (f"m-{number}", Role.METER, {"feeder": str(number)})
        assert load_identity(identity_directory(north, one.name))[1] == one.certificate
    assert (enrolled[5].name, enrolled[5].role) == ("gate-1", Role.GATEWAY)
    assert not (identity_directory(north, "gate-1") / "key.pem").exists()


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (NewIdentity("m-1", Role.METER), IdentityExists),
        (NewIdentity("bad name", Role.METER), BadCertificate),
        ("no request", BadCertificate),
    ],
)
def test_one_fault_leaves_the_whole_list_undone(north, bad, error) -> None:
    """Nothing is written before everything is checked."""
    with pytest.raises(error):
        enroll_bulk(north, [NewIdentity("m-1", Role.METER), bad], now_ms=NOW_MS)
    assert not (north / "identities").exists()


def test_whoever_is_enrolled_is_not_enrolled_again(north, tmp_path) -> None:
    """Neither by name nor by a new request of that name; nor is a stranger."""
    enroll_bulk(north, [NewIdentity("m-1", Role.METER)], now_ms=NOW_MS)
    again = new_request(tmp_path / "a", organisation="north", role=Role.METER, name="m-1")
    stranger = new_request(tmp_path / "b", organisation="south", role=Role.METER, name="m-2")
    with pytest.raises(IdentityExists, match="enrolled already"):
        enroll_bulk(north, [NewIdentity("m-1", Role.METER)], now_ms=NOW_MS)
    with pytest.raises(IdentityExists, match="enrolled already"):
        enroll_bulk(north, [again], now_ms=NOW_MS)
    with pytest.raises(BadCertificate, match="member of south"):
        enroll_bulk(north, [stranger], now_ms=NOW_MS)


def test_a_list_is_bounded(north, monkeypatch) -> None:
    """More than the bound is refused before any work."""
    monkeypatch.setattr(config, "ENROL_ENTRIES", 2)
    with pytest.raises(BadRequest, match="at most 2"):
        enroll_bulk(north, [NewIdentity(f"m-{n}", Role.METER) for n in range(3)], now_ms=NOW_MS)


def test_csv_and_json_lists_say_the_same(tmp_path) -> None:
    """Columns beyond name and role are attributes; empty cells are none."""
    (tmp_path / "list.csv").write_text("\ufeffname,role,feeder,phase\nm-1,meter,TX-9,\nanna,customer,,2\n")
    (tmp_path / "list.json").write_text(
        json.dumps(
            [
                {"name": "m-1", "role": "meter", "attributes": {"feeder": "TX-9"}},
                {"name": "anna", "role": "customer", "attributes": {"phase": "2"}},
            ]
        )
    )
    expected = (NewIdentity("m-1", Role.METER, {"feeder": "TX-9"}), NewIdentity("anna", Role.CUSTOMER, {"phase": "2"}))
    assert read_list(tmp_path / "list.csv") == read_list(tmp_path / "list.json") == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"name\nm-1\n"),
        ("b.csv", b"name,role\nm-1,owner\n"),
        ("c.csv", b"name,role\nm-1\n"),
        ("d.csv", b"name,role\nm-1,meter,more\n"),
        ("e.csv", b'name,role\n"m-1,meter\n'),
        ("f.csv", b"name,role\n\xff,meter\n"),
        ("g.json", b"{}"),
        ("h.json", b'[{"name":"m","role":"meter","extra":1}]'),
        ("i.json", b"["),
    ],
)
def test_malformed_lists_are_refused(tmp_path, name: str, content: bytes) -> None:
    """With one error that names the file or the line."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadRequest):
        read_list(tmp_path / name)


def test_a_missing_list_is_refused(tmp_path) -> None:
    """With the file's name."""
    with pytest.raises(BadRequest, match=r"none.csv"):
        read_list(tmp_path / "none.csv")
