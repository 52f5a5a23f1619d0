"""Style sheets, scripts and icons: under a name that changes with their content, so that browsers ask for them once."""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Flask, Response, request, send_from_directory

FOLDER = Path(__file__).resolve().parent.parent / "static"
FOR_EVER = "public, max-age=31536000, immutable"
_SQUEEZED = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
routes = Blueprint("assets", __name__)


def fingerprint(folder: Path = FOLDER) -> str:
    """Twelve characters that follow from every file of the folder; modules import each other, so they change together."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def install(app: Flask) -> None:
    """Serve the folder under its fingerprint and give templates `asset(name)`."""
    version = fingerprint()
    app.register_blueprint(routes)
    app.jinja_env.globals["asset"] = lambda name: f"/static/v-{version}/{name}"


@routes.get("/static/v-<version>/<path:name>")
def versioned(version: str, name: str) -> Response:
    """A file for ever: another content has another address."""
    path = FOLDER / name
    kind = _SQUEEZED.get(path.suffix)
    if kind and request.accept_encodings["gzip"] and path.is_file() and FOLDER in path.resolve().parents:
        response = Response(_gzipped(path, path.stat().st_mtime_ns), content_type=f"{kind}; charset=utf-8")
        response.headers["Content-Encoding"] = "gzip"
    else:
        response = send_from_directory(FOLDER, name)
    response.headers["Cache-Control"] = FOR_EVER
    response.vary.add("Accept-Encoding")
    return response


@lru_cache(maxsize=32)
def _gzipped(path: Path, changed: int) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0)
