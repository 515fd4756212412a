"""A node's folder."""

from __future__ import annotations

import pytest

from ledgernode.errors import BadRequest, IdentityExists
from ledgernode.identity.home import NodeConfig, certify_node, request_node, tls_directory, validator_directory
from ledgernode.identity.identity_files import load_identity
from ledgernode.identity.organisation import create_organisation, sign_request
from tests.identity.forging import NOW_MS

CONFIG = NodeConfig("north", "validator-1", "127.0.0.1:7000", ("energy", "market"), log_level="debug")


def test_a_node_reads_what_was_written(tmp_path) -> None:
    """And the defaults stand for what an older file leaves out."""
    CONFIG.write(tmp_path / "home")
    assert NodeConfig.read(tmp_path / "home") == CONFIG
    (tmp_path / "home" / "node.json").write_text('{"organisation":"n","validator":"v","listen":"a:1","ledgers":[]}')
    assert NodeConfig.read(tmp_path / "home").log_level == "info"


@pytest.mark.parametrize("text", ["", "[]", '{"organisation":"n"}', '{"organisation":"n","colour":"red"}'])
def test_what_is_no_node_file_is_refused(tmp_path, text: str) -> None:
    """With the path in the message."""
    (tmp_path / "node.json").write_text(text)
    with pytest.raises(BadRequest, match=r"node\.json"):
        NodeConfig.read(tmp_path)


def test_a_folder_without_a_node_is_refused(tmp_path) -> None:
    """Not taken for an empty node."""
    with pytest.raises(BadRequest, match="is no node's folder"):
        NodeConfig.read(tmp_path)


def test_a_node_is_certified_by_its_requests(tmp_path) -> None:
    """Its keys are born in its own folder, and only the right certificates go beside them."""
    create_organisation(tmp_path / "north", "north", now_ms=NOW_MS)
    home, other = tmp_path / "home", tmp_path / "other"
    requests = request_node(home, organisation="north", name="validator-1")
    chains = [sign_request(tmp_path / "north", request, now_ms=NOW_MS) for request in requests]
    certify_node(home, chains[0], chains[1])
    assert load_identity(validator_directory(home))[1] == chains[0]
    assert load_identity(tls_directory(home))[1] == chains[1]
    request_node(other, organisation="north", name="validator-2")
    with pytest.raises(IdentityExists):
        certify_node(other, chains[0], chains[1])
