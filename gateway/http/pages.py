"""The console's pages: files of a build, held in memory and served compressed.

    index.html           for every address that is no file: the page itself knows its addresses. Never stored
    assets/NAME-HASH.js  named by content: kept for ever by whoever has it
    anything else        kept, and asked for again by its tag

All of it is read once, at the start: what is asked for is looked up among names, so that no address leads out of the
folder. A file comes as brotli (where the build made `NAME.br`), as gzip (made here), or as it is, whatever the client
takes. Nothing beneath `/api` is a page.

A page runs our own scripts and styles alone, evaluates no text, talks to this server alone, and stands in nobody's
frame.
"""

from __future__ import annotations

import gzip
import mimetypes
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

BUILT: Final = Path(__file__).parent.parent / "web" / "dist"
"""Where a build lies, in a checkout and in an installed package."""
NOT_BUILT: Final = "The console's pages are not built here. In a checkout: make console (it needs Node 20)."
INDEX: Final = "index.html"
_API: Final = "/api"
_FILE_BYTES: Final = 16 * 1024 * 1024
_ALL_BYTES: Final = 128 * 1024 * 1024
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
_NEVER: Final = "no-store"
_SHRINKING: Final = (
    "text/",
    "application/javascript",
    "application/json",
    "application/manifest+json",
    "image/svg+xml",
)
_ENDINGS: Final = (".js", ".css", ".map", ".json", ".svg", ".png", ".ico", ".woff2", ".txt", ".xml", ".webmanifest")
"""An address that ends so is a file's."""
_WORTH_BYTES: Final = 512
"""Below, compressing gains nothing."""
_ALLOWED: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
_HEADERS: Final = {
    "content-security-policy": "; ".join(f"{what} {whence}" for what, whence in _ALLOWED.items()),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-frame-options": "DENY",
}
_HSTS: Final = "max-age=31536000"


class File(NamedTuple):
    """One of the build, in every encoding that is smaller than it is."""

    media_type: str
    cache: str
    tag: str
    bodies: Mapping[str, bytes]
    """By encoding, the best first; `identity` is there always."""


class Pages:
    """What is answered to every request that no area of the API has taken: an ASGI application."""

    def __init__(self, directory: Path = BUILT) -> None:
        self.files = _read(directory)

    @property
    def is_built(self) -> bool:
        return INDEX in self.files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answered(Request(scope, receive))(scope, receive, send)

    def answered(self, request: Request) -> Response:
        """Refuses addresses of the API, other methods, and files that are not there."""
        path = request.scope["path"]
        if path == _API or path.startswith(f"{_API}/"):
            raise HTTPException(404)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"allow": "GET, HEAD"})
        if not self.is_built:
            return PlainTextResponse(f"{NOT_BUILT}\n", 503, {"cache-control": _NEVER, **_HEADERS})
        found = self.files.get(path.removeprefix("/") or INDEX)
        if found is None:
            if not _is_address(path):
                raise HTTPException(404)
            found = self.files[INDEX]
        return _given(found, request)


def _given(file: File, request: Request) -> Response:
    headers = {**_HEADERS, "cache-control": file.cache, "vary": "accept-encoding"}
    if request.url.scheme == "https":
        headers["strict-transport-security"] = _HSTS
    encoding = _chosen(file.bodies, request.headers.get("accept-encoding", ""))
    if file.cache != _NEVER:
        headers["etag"] = f'"{file.tag}-{encoding}"'
        if headers["etag"] in _tags(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
    if encoding != "identity":
        headers["content-encoding"] = encoding
    body = file.bodies[encoding]
    headers["content-length"] = str(len(body))
    headers["content-type"] = file.media_type
    return Response(b"" if request.method == "HEAD" else body, headers=headers)


def _is_address(path: str) -> bool:
    """Of a page, not of a file that is gone; and nothing in it tries to leave."""
    is_file = path.startswith("/assets/") or path.endswith(_ENDINGS)
    return not is_file and ".." not in path.split("/") and "\\" not in path and path.isprintable()


def _chosen(bodies: Mapping[str, bytes], accepted: str) -> str:
    """The first encoding that the client takes."""
    taken: dict[str, bool] = {}
    for each in accepted.split(","):
        name, _, quality = each.partition(";")
        taken[name.strip().lower()] = quality.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    for encoding in bodies:
        if encoding == "identity" or taken.get(encoding, taken.get("*", False)):
            return encoding
    raise AssertionError("every file is there as it is")


def _tags(named: str) -> set[str]:
    return {each.strip().removeprefix("W/") for each in named.split(",")}


# ---------------------------------------------------------------- the folder


def _read(directory: Path) -> dict[str, File]:
    """Every file beneath, by its address; none where there is no build."""
    if not (directory / INDEX).is_file():
        return {}
    root = directory.resolve()
    sizes = 0
    found: dict[str, File] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not path.is_file() or path.suffix in (".br", ".gz", ".map") or not path.resolve().is_relative_to(root):
            continue
        raw = path.read_bytes()
        sizes += len(raw)
        assert len(raw) <= _FILE_BYTES, f"{name} is larger than a page's file may be"
        assert sizes <= _ALL_BYTES, f"{directory} is larger than a console may be"
        found[name] = File(_media_type(name), _cache(name), sha256(raw).hexdigest()[:20], _bodies(path, raw))
    return found


def _bodies(path: Path, raw: bytes) -> dict[str, bytes]:
    bodies: dict[str, bytes] = {}
    if len(raw) >= _WORTH_BYTES and _media_type(path.name).startswith(_SHRINKING):
        prepared = path.with_name(f"{path.name}.br")
        if prepared.is_file():
            bodies["br"] = prepared.read_bytes()
        bodies["gzip"] = gzip.compress(raw, mtime=0)
    return {name: body for name, body in bodies.items() if len(body) < len(raw)} | {"identity": raw}


def _media_type(name: str) -> str:
    known = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json"}
    found = known.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{found}; charset=utf-8" if found.startswith("text/") else found


def _cache(name: str) -> str:
    if name == INDEX:
        return _NEVER
    return _FOR_EVER if name.startswith("assets/") else _ASK_AGAIN
