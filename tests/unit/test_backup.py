"""`offshelf backup` and `restore` without a server: what comes back, and what is refused with nothing changed."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import resource
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from engines.blobs import FileBlobs
from engines.encoder import HashEncoder
from engines.index import open_index
from engines.offloop import off_loop
from engines.sql import open_database
from kernel.clock import SystemClock
from kernel.config import Settings
from kernel.errors import SettingError
from kernel.ports import IndexDocument, KeyValue
from notes import MediaService
from search import SearchService
from tests.folder import PICTURES, Left, leave, settings_of
from web.archive import DATABASE, HEAD, IMAGES, MANIFEST
from web.backup import back_up
from web.folder import PLACING, RESTORED, FolderInUse, data_folder
from web.process import opened
from web.restore import restore


def quiet(name: str, done: int, of: int) -> None:
    pass


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, shared_kv: KeyValue) -> tuple[Settings, Left]:
    settings = settings_of(tmp_path_factory.mktemp("left") / "data")
    return settings, leave(settings, shared_kv)


@pytest.fixture(scope="module")
def saved(left: tuple[Settings, Left], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    file = tmp_path_factory.mktemp("saved") / "shop.tar"
    back_up(left[0], file, quiet)
    return file


@pytest.fixture
def own(left: tuple[Settings, Left], tmp_path: Path) -> Settings:
    """A copy of it, to be changed."""
    shutil.copytree(left[0].data, tmp_path / "own")
    return settings_of(tmp_path / "own")


def content(folder: Path) -> dict[str, str]:
    """Every file below a folder as a hash."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows(database: Path) -> list[str]:
    """Every row of every table."""
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


def refused(what: Callable[[], object], *said: str) -> None:
    with pytest.raises(SettingError) as error:
        what()
    for one in said:
        assert one in str(error.value)


def test_what_is_restored_is_what_was_backed_up_and_nothing_else(
    left: tuple[Settings, Left], saved: Path, tmp_path: Path
) -> None:
    settings, seeded = left
    found = restore(settings_of(tmp_path / "new"), saved, False, quiet)
    assert (found["files"], found["replaced"], found["migrate"], found["secret"]) == (3 + PICTURES, None, False, True)
    assert rows(tmp_path / "new" / DATABASE) == rows(settings.data / DATABASE)
    before, after = content(settings.data), content(tmp_path / "new")
    del after[DATABASE], after["payments.db"], after[RESTORED]
    assert after == {name: weight for name, weight in before.items() if name.startswith(IMAGES) or name == "secret"}
    assert {Path(name).name for name in after} == {"secret", *seeded.pictures}
    assert (tmp_path / "new" / "secret").stat().st_mode & 0o077 == 0
    assert saved.stat().st_mode & 0o077 == 0


def test_an_index_on_a_server_is_rebuilt_after_a_restore(saved: Path, tmp_path: Path, elasticsearch_url: str) -> None:
    """It says that it is whole, and it was: of the data before the restore."""
    settings = settings_of(tmp_path / "new", index_url=elasticsearch_url)
    encoder = HashEncoder()
    index = open_index(elasticsearch_url, tmp_path, encoder.dimensions, name=encoder.fingerprint)
    with closing(index), index.filling() as filling:
        filling.put([IndexDocument("product_before", "product", ["before"], None)])
    restore(settings, saved, False, quiet)
    with opened(settings) as app:
        services, deadline = app.extensions["offshelf"], time.monotonic() + 60
        index = services[SearchService].index
        while index.lexical(["before"], 1) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (index.fresh, index.lexical(["before"], 1)) == (True, [])
        assert index.count() > 0
    assert not (settings.data / RESTORED).exists()


def test_a_folder_as_target_gets_a_file_with_the_time_in_its_name(left: tuple[Settings, Left], tmp_path: Path) -> None:
    said = back_up(left[0], tmp_path, quiet)
    (file,) = tmp_path.iterdir()
    assert str(file) == said["file"]
    assert file.name.startswith("offshelf-2")


# -- files that come and go meanwhile -------------------------------------------------------------------------------


def test_an_image_deleted_meanwhile_is_left_out_and_one_that_came_later_too(own: Settings, tmp_path: Path) -> None:
    blobs = FileBlobs(own.data / IMAGES, SystemClock())
    gone, again = (tmp_path / "own" / IMAGES / name[:2] / name for name in sorted(blobs.stored())[-2:])
    late: list[str] = []

    def meanwhile(name: str, done: int, of: int) -> None:
        if name.startswith("pages") and not late:  # the snapshot is taken
            late.append(blobs.put(b"after the snapshot", "webp"))
            blobs.put(again.read_bytes(), "webp")  # stamped anew, and in the snapshot all the same
        elif name == "images":
            gone.unlink(missing_ok=True)

    found = back_up(own, tmp_path / "b.tar", meanwhile)
    assert (found["vanished"], found["files"]) == (1, 3 + PICTURES - 1)
    restore(settings_of(tmp_path / "new"), tmp_path / "b.tar", False, quiet)
    there = FileBlobs(tmp_path / "new" / IMAGES, SystemClock()).stored()
    assert again.name in there
    assert not there.keys() & {*late, gone.name}


def test_what_is_written_while_the_database_is_copied_is_not_in_the_copy(
    own: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.backup.PAGES", 20)
    steps: list[int] = []
    before = rows(own.data / DATABASE)
    db = open_database(own.sql_url, SystemClock())
    media = MediaService(db, FileBlobs(own.data / IMAGES, SystemClock()), off_loop, off_loop)

    def meanwhile(name: str, done: int, of: int) -> None:
        steps.append(done)
        if name.startswith("pages") and len(steps) < 4:
            kept = media.keep_drawn(b"later", 1, 1)
            db.write(lambda tx: media.add(tx, "acct_x", kept))

    back_up(own, tmp_path / "b.tar", meanwhile)
    db.close()
    assert steps[0] == 20 < steps[1]
    assert rows(own.data / DATABASE) != before
    restore(settings_of(tmp_path / "new"), tmp_path / "b.tar", False, quiet)
    assert rows(tmp_path / "new" / DATABASE) == before


# -- backups that are refused or interrupted ------------------------------------------------------------------------


def test_a_backup_that_cannot_be_made_leaves_nothing(own: Settings, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "there.tar").write_text("mine")
    postgres = settings_of(own.data, database_url="postgresql://u:open-sesame@h/x")
    refused(lambda: back_up(postgres, place, quiet), "OFFSHELF_DATABASE_URL", "pg_dump", "payments.db")
    refused(lambda: back_up(settings_of(tmp_path / "no"), place, quiet), "There is no database", "OFFSHELF_DATA")
    refused(lambda: back_up(own, place / "there.tar", quiet), "name another file")
    refused(lambda: back_up(own, place / "no" / "b.tar", quiet), "make it")
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE x (y)").connection.close()
    other = settings_of(own.data, database_url=f"sqlite:///{tmp_path / 'other.db'}")
    refused(lambda: back_up(other, place, quiet), "correct OFFSHELF_DATABASE_URL")
    assert {path.name: path.read_text() for path in place.iterdir()} == {"there.tar": "mine"}


def test_a_damaged_database_is_not_backed_up(own: Settings, tmp_path: Path) -> None:
    path = own.data / DATABASE
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 8192)
    refused(lambda: back_up(own, tmp_path / "b.tar", quiet), str(path))
    assert not (tmp_path / "b.tar").exists()


def test_an_interrupted_backup_leaves_nothing(own: Settings, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()

    def interrupt(name: str, done: int, of: int) -> None:
        if done and name == "images":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(own, tmp_path / "place" / "b.tar", interrupt)
    assert list((tmp_path / "place").iterdir()) == []


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """No file may become larger, as on a disk that is full: the system refuses, whoever writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [100_000, 800_000])
def test_without_room_no_backup_is_left(own: Settings, tmp_path: Path, size: int) -> None:
    (tmp_path / "place").mkdir()
    with little_room(size):
        refused(lambda: back_up(own, tmp_path / "place" / "b.tar", quiet), "make room there")
    assert list((tmp_path / "place").iterdir()) == []


# -- restores that are refused or interrupted -----------------------------------------------------------------------


def refused_restore(file: Path, tmp_path: Path, own: Settings, *said: str) -> None:
    """Refused for a new folder and for one that would be replaced; neither is touched."""
    before = content(own.data)
    refused(lambda: restore(settings_of(tmp_path / "new"), file, False, quiet), *said)
    refused(lambda: restore(own, file, True, quiet), *said)
    assert not (tmp_path / "new").exists()
    assert content(own.data) == before


def test_a_backup_cut_short_anywhere_is_refused(saved: Path, own: Settings, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    with tarfile.open(saved) as tar:
        edges = [member.offset for member in tar][1:]
    for length in (700, edges[0] + 9999, edges[-1] - 512, edges[-1], edges[-1] + 600):
        (tmp_path / "cut.tar").write_bytes(whole[:length])
        refused_restore(tmp_path / "cut.tar", tmp_path, own, "cut.tar is damaged", "nothing was changed")


def test_a_byte_that_changed_is_noticed_wherever_it_is(saved: Path, own: Settings, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    with tarfile.open(saved) as tar:
        head, database, *_, image, manifest = tar
    parts = [(one, place) for one in (head, database, image, manifest) for place in (one.offset + 124, one.offset_data)]
    for one, start in parts:
        changed = bytearray(whole)
        changed[start + min(one.size // 2, 7)] ^= 1
        (tmp_path / "bad.tar").write_bytes(changed)
        refused(lambda: restore(settings_of(tmp_path / "new"), tmp_path / "bad.tar", False, quiet), "bad.tar")
        assert not (tmp_path / "new").exists(), one.name
    refused_restore(tmp_path / "bad.tar", tmp_path, own, "damaged")


def remade(saved: Path, file: Path, change: Callable[[str, bytes], bytes | None], *more: tarfile.TarInfo) -> Path:
    """The backup with other content in some of its members, and with `more` before the manifest."""
    with tarfile.open(saved) as old, tarfile.open(file, "w") as new:
        for member in old:
            if member.name == MANIFEST:
                for one in more:
                    new.addfile(one, io.BytesIO(bytes(one.size)))
            source = old.extractfile(member)
            data = change(member.name, source.read() if source else b"")
            if data is not None:
                member.size = len(data)
                new.addfile(member, io.BytesIO(data))
    return file


def head(**values: Any) -> Callable[[str, bytes], bytes]:
    def change(name: str, data: bytes) -> bytes:
        return json.dumps({**json.loads(data), **values}).encode() if name in (HEAD, MANIFEST) else data

    return change


def info(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def test_a_newer_or_foreign_file_is_refused(saved: Path, own: Settings, tmp_path: Path) -> None:
    newer = remade(saved, tmp_path / "newer.tar", head(revision="9999", offshelf="7.0"))
    refused_restore(newer, tmp_path, own, "schema 9999", "install Offshelf 7.0 or newer")
    mixed = remade(
        saved, tmp_path / "mixed.tar", lambda name, data: head(revision="0001")(name, data) if name == HEAD else data
    )
    refused_restore(mixed, tmp_path, own, "its parts do not belong together")
    newer = remade(saved, tmp_path / "form.tar", head(format=2, more="?"))
    refused_restore(newer, tmp_path, own, "form.tar")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(own.data / "secret", "offshelf.db")
    for name, data in (("empty", b""), ("text", b"hello" * 999), ("database", (own.data / DATABASE).read_bytes())):
        (tmp_path / name).write_bytes(data)
    for name in ("other.tar", "empty", "text", "database"):
        refused_restore(tmp_path / name, tmp_path, own, "is no backup", "offshelf backup")


def test_no_path_leads_out_of_the_folder(saved: Path, own: Settings, tmp_path: Path) -> None:
    image = f"{IMAGES}/aa/{'a' * 64}.webp"
    bad = [info("../escaped"), info(str(tmp_path / "escaped")), info(f"{IMAGES}/../../escaped"), info("lock")]
    bad += [info(image, tarfile.SYMTYPE, "/etc/passwd"), info(image, tarfile.LNKTYPE, "secret"), info(DATABASE)]
    bad += [info(image, tarfile.DIRTYPE), info(image, tarfile.FIFOTYPE), info(image)]
    for number, one in enumerate(bad):
        file = remade(saved, tmp_path / f"bad{number}.tar", lambda name, data: data, one)
        refused(lambda file=file: restore(settings_of(tmp_path / "new"), file, False, quiet), "damaged")  # type: ignore[misc]
        assert not (tmp_path / "new").exists()
    refused_restore(file, tmp_path, own, "damaged")
    assert not (tmp_path / "escaped").exists()
    without = remade(saved, tmp_path / "without.tar", lambda name, data: None if name == DATABASE else data)
    refused_restore(without, tmp_path, own, "damaged")


@pytest.mark.parametrize("name", [HEAD, DATABASE, MANIFEST])
def test_a_file_of_holes_is_refused_before_it_is_written_out(
    saved: Path, own: Settings, tmp_path: Path, name: str
) -> None:
    """512 bytes that say they are 8 GiB of zeros kept a restore busy for half a minute, and could have for days."""
    block = bytearray(info(name, tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"77777777777\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    with tarfile.open(saved) as tar:
        first = tar.getmembers()[1].offset if name != HEAD else 0
    (tmp_path / "holes.tar").write_bytes(saved.read_bytes()[:first] + bytes(block) + bytes(1024))
    began = time.monotonic()
    refused_restore(tmp_path / "holes.tar", tmp_path, own, "is no backup" if name == HEAD else "damaged")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("mtime", ["1e300", "nan", "-inf", str(2**80)])
def test_a_file_of_no_time_is_refused(saved: Path, own: Settings, tmp_path: Path, mtime: str) -> None:
    odd = info(DATABASE)
    odd.pax_headers = {"mtime": mtime}
    without = remade(saved, tmp_path / "odd.tar", lambda name, data: None if name == DATABASE else data, odd)
    refused_restore(without, tmp_path, own, "damaged")


def test_an_older_schema_is_restored_and_says_what_to_run(saved: Path, tmp_path: Path) -> None:
    older = remade(saved, tmp_path / "older.tar", head(revision="0001"))
    assert restore(settings_of(tmp_path / "new"), older, False, quiet)["migrate"] is True


def test_data_is_kept_unless_it_is_to_be_replaced_and_then_put_aside(
    saved: Path, own: Settings, tmp_path: Path
) -> None:
    (own.data / "models").mkdir()
    before = content(own.data)
    refused(lambda: restore(own, saved, False, quiet), "holds data", "OFFSHELF_DATA", "--replace")
    assert content(own.data) == before
    aside = Path(restore(own, saved, True, quiet)["replaced"])
    assert aside.parent == own.data
    assert content(aside) == before
    assert {path.name for path in own.data.iterdir()} == {
        "models", "lock", aside.name, "media", "secret", DATABASE, "payments.db", RESTORED
    }  # fmt: skip
    (tmp_path / "empty" / "models").mkdir(parents=True)
    assert restore(settings_of(tmp_path / "empty"), saved, False, quiet)["replaced"] is None


@pytest.mark.parametrize("broken", [0, 1, 3, 6])
def test_a_restore_that_cannot_move_a_file_takes_back_what_it_moved(
    saved: Path, own: Settings, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    """As where `media` is a mount point. It said that all was as before, with half of it put aside and every start refused."""
    before, left, rename = content(own.data), [broken], Path.rename

    def busy(path: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] == -1:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", busy)
        refused(lambda: restore(own, saved, True, quiet), "Device or resource busy", "OFFSHELF_DATA is as it was")
    assert content(own.data) == before
    assert not [path.name for path in own.data.iterdir() if path.name.startswith(("replaced-", ".restor"))]
    with data_folder(own):
        pass


def test_a_new_data_folder_is_for_its_owner_alone(tmp_path: Path, own: Settings) -> None:
    settings = own.model_copy(update={"data": tmp_path / "new"})
    with data_folder(settings) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_somebody_else_made_meanwhile_is_theirs(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path / "new")
    with ExitStack() as theirs:

        @contextmanager
        def late(*arguments: Any, **named: Any) -> Iterator[Path]:
            theirs.enter_context(data_folder(settings))
            (settings.data / "offshelf.db").write_text("theirs")
            with data_folder(*arguments, **named) as data:
                yield data

        monkeypatch.setattr("web.restore.data_folder", late)
        with pytest.raises(FolderInUse):
            restore(settings, saved, False, quiet)
    assert (settings.data / "offshelf.db").read_text() == "theirs"


def test_a_folder_in_use_or_another_database_is_refused(saved: Path, own: Settings, tmp_path: Path) -> None:
    before = content(own.data)
    with data_folder(own), pytest.raises(FolderInUse):
        restore(own, saved, True, quiet)
    postgres = settings_of(own.data, database_url="postgresql://u:open-sesame@h/x")
    refused(lambda: restore(postgres, saved, True, quiet), "OFFSHELF_DATABASE_URL", "pg_restore")
    elsewhere = settings_of(own.data, database_url=f"sqlite:///{tmp_path / 'x.db'}")
    refused(lambda: restore(elsewhere, saved, True, quiet), "OFFSHELF_DATABASE_URL", "leave it empty")
    assert content(own.data) == before


def test_without_room_nothing_is_restored(saved: Path, own: Settings, tmp_path: Path) -> None:
    before = content(own.data)
    with little_room(300_000):
        refused(lambda: restore(settings_of(tmp_path / "new"), saved, False, quiet), "OFFSHELF_DATA", "make room")
    assert not (tmp_path / "new").exists()
    assert content(own.data) == before


def test_a_restore_interrupted_while_unpacking_changes_nothing(saved: Path, own: Settings) -> None:
    before = content(own.data)

    def interrupt(name: str, done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(own, saved, True, interrupt)
    assert content(own.data) == before


def test_a_restore_killed_between_its_renames_keeps_every_server_out_until_it_is_done_again(
    saved: Path, own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(path: Path, target: Path) -> Path:
        if path.name == "secret" and path.parent.name == PLACING:
            raise Killed
        return rename(path, target)

    rename = Path.rename
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(Killed):
            restore(own, saved, True, quiet)
    with pytest.raises(SettingError, match="restore FILE --replace"), data_folder(own):
        pass
    restore(own, saved, True, quiet)
    with data_folder(own):
        assert (own.data / DATABASE).exists()
