"""What operators keep and name: backups, surveys of them, keys in tokens, collectors."""

from __future__ import annotations

from typing import Final

from ledgernode.backup.folder import INDEX_FILE, Folder
from ledgernode.backup.segment import TAG, encode_segment, parse_segment
from ledgernode.backup.survey import read_standings
from ledgernode.errors import BackupInvalid, BadRequest
from ledgernode.identity.pkcs11_uri import parse_uri
from ledgernode.observe.exporting import collector_at
from tests.fuzz.target import Form, Target, constant, file, folder, text

_URI: Final = "pkcs11:token=north;object=validator-1?module-path=/usr/lib/softhsm.so&pin-source=file:/etc/north/pin"

TARGETS: Final = (
    Target(
        "backup-index",
        ("ledgernode.backup.folder",),
        folder(lambda path: Folder(path).index(), INDEX_FILE),
        (BackupInvalid,),
        constant('{"format":"ledgernode/backup/1","chain_id":"ab","certified_height":0,"segments":[],"states":[]}'),
        Form.JSON,
    ),
    Target(
        "backup-segment",
        ("ledgernode.backup.segment",),
        parse_segment,
        (BackupInvalid,),
        lambda: [encode_segment(())],
        Form.MSGPACK,
        tag=TAG,
    ),
    Target(
        "backup-survey",
        ("ledgernode.backup.survey",),
        file(read_standings),
        (BackupInvalid,),
        constant('{"standings":[]}'),
        Form.JSON,
    ),
    Target("key-uri", ("ledgernode.identity.pkcs11_uri",), text(parse_uri), (BadRequest,), constant(_URI), Form.TEXT),
    Target(
        "collector",
        ("ledgernode.observe.exporting",),
        text(collector_at),
        (BadRequest,),
        constant("http://localhost:4318", "https://[::1]:4318/a"),
        Form.TEXT,
    ),
)
