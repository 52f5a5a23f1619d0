"""The process: its folder, its port, and what `offshelf demo` may delete."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kernel.config import Settings, read_settings
from kernel.errors import SettingError
from web import loading
from web.engines import secret_key
from web.folder import FolderInUse, data_folder, holders, refuse_half
from web.loading import load_demo, load_first
from web.migrate import inhabited, upgrade


def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    with data_folder(settings):
        code = f"from kernel.config import Settings; from web.folder import data_folder\nwith data_folder(Settings(data={str(tmp_path)!r})): pass"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "is in use by process" in other.stderr
    with data_folder(settings):
        pass


SERVERS = {
    "database_url": "postgresql://nobody@127.0.0.1/nothing",
    "kv_url": "redis://127.0.0.1/0",
    "index_url": "http://127.0.0.1:9",
}


def test_a_folder_is_shared_where_every_engine_is_a_server_and_owned_where_one_is_not(tmp_path: Path) -> None:
    shared = Settings(data=tmp_path, **SERVERS)
    with data_folder(shared), data_folder(shared):
        for owner in (Settings(data=tmp_path), shared.model_copy(update={"kv_url": "embedded://"})):
            with pytest.raises(FolderInUse), data_folder(owner):
                pass
        with pytest.raises(FolderInUse), data_folder(shared, alone=True):
            pass
    half = Settings(data=tmp_path, database_url=SERVERS["database_url"])
    with data_folder(half):
        for newcomer in (half, shared):
            with (
                pytest.raises(FolderInUse, match=f"in use by process {os.getpid()};") as refused,
                data_folder(newcomer),
            ):
                pass
            named = "let OFFSHELF_KV_URL and OFFSHELF_INDEX_URL name a server" in str(refused.value)
            assert named is (newcomer is half)
    with data_folder(half):
        pass


def test_who_only_looks_keeps_nobody_from_starting(tmp_path: Path) -> None:
    settings, stop = Settings(data=tmp_path), threading.Event()
    with data_folder(settings):
        pass

    def look() -> None:
        while not stop.is_set():
            holders(settings)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(200):
            with data_folder(settings):
                pass
    finally:
        stop.set()
        looking.join()


def test_everybody_who_shares_a_folder_is_named_however_many_start_at_once(tmp_path: Path) -> None:
    """Whoever read the names before another wrote its own would write over it."""
    settings = Settings(data=tmp_path, **SERVERS)
    code = f"""
import sys
from kernel.config import Settings
from web.folder import data_folder
settings = Settings(data={str(tmp_path)!r}, **{SERVERS!r})
from engines import preflight
print("ready", flush=True)
sys.stdin.readline()
with data_folder(settings):
    print("in", flush=True)
    sys.stdin.readline()
"""
    pipe = subprocess.PIPE
    started = [subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) for _ in range(8)]
    try:
        for expected in ("ready\n", "in\n"):
            assert [process.stdout and process.stdout.readline() for process in started] == [expected] * 8
            if expected == "in\n":
                assert sorted(holders(settings)) == sorted(str(process.pid) for process in started)
            for process in started:
                assert process.stdin is not None
                process.stdin.write("go on\n")
                process.stdin.flush()
    finally:
        for process in started:
            process.communicate(timeout=30)
    assert holders(settings) == []


def test_web_and_jobs_part_only_where_every_engine_is_a_server(tmp_path: Path) -> None:
    refuse_half(Settings(data=tmp_path, **SERVERS))
    with pytest.raises(SettingError, match=r"OFFSHELF_KV_URL: embedded.*run `offshelf serve`"):
        refuse_half(Settings(data=tmp_path, **{**SERVERS, "kv_url": "embedded://"}))


def test_processes_that_start_together_make_one_secret(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def key(_: int) -> str:
        together.wait()
        return secret_key(Settings(data=tmp_path))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(key, range(8)))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_the_demo_never_deletes_what_is_not_the_demos(tmp_path: Path) -> None:
    database = tmp_path / "offshelf.db"
    database.write_text("somebody's shop")
    for reset in (False, True):
        with pytest.raises(SettingError, match="not the demo's"):
            load_demo(Settings(data=tmp_path, encoder="hash"), reset)
    assert database.read_text() == "somebody's shop"


def test_the_demo_is_loaded_into_no_community_wherever_its_database_is(tmp_path: Path) -> None:
    """It deleted the pictures and payments of one whose database lies elsewhere, and wrote itself into that."""
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    inhabit(url)
    payments, picture = tmp_path / "var" / "payments.db", tmp_path / "var" / "media" / "a.webp"
    picture.parent.mkdir(parents=True)
    payments.write_text("theirs")
    with pytest.raises(SettingError, match="OFFSHELF_DATABASE_URL names a database that has accounts"):
        load_demo(Settings(data=tmp_path / "var", encoder="hash", database_url=url), reset=False)
    picture.write_text("theirs")
    with pytest.raises(SettingError, match="not the demo's"):
        load_demo(Settings(data=tmp_path / "var", encoder="hash", database_url=f"{url}.fresh"), reset=False)
    assert payments.read_text() == picture.read_text() == "theirs"


def test_an_interrupted_demo_starts_over_in_its_own_database_wherever_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first load left there was in the way of the second; and no other database is emptied for it."""
    elsewhere, lived_in = (f"sqlite:///{tmp_path / name}" for name in ("elsewhere.db", "lived-in.db"))

    def load_half(settings: Settings) -> None:
        assert not (tmp_path / "elsewhere.db").exists()
        inhabit(settings.sql_url)
        raise KeyboardInterrupt

    monkeypatch.setattr(loading, "_load", load_half)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            load_demo(Settings(data=tmp_path / "var", encoder="hash", database_url=elsewhere), reset=False)
    inhabit(lived_in)
    with pytest.raises(SettingError, match="OFFSHELF_DATABASE_URL names a database that has accounts"):
        load_demo(Settings(data=tmp_path / "var", encoder="hash", database_url=lived_in), reset=False)
    assert inhabited(elsewhere)
    monkeypatch.setattr(loading, "_load", lambda settings: upgrade(settings.sql_url))
    load_demo(Settings(data=tmp_path / "var", encoder="hash", database_url=elsewhere), reset=False)
    assert (inhabited(elsewhere), inhabited(lived_in)) == (False, True)
    assert ((tmp_path / "var" / "demo.loaded").exists(), (tmp_path / "var" / "demo.loading").exists()) == (True, False)
    inhabit(elsewhere)
    load_demo(Settings(data=tmp_path / "var", encoder="hash", database_url=elsewhere), reset=True)
    assert not inhabited(elsewhere)
    (tmp_path / "var" / "offshelf.db").write_text("somebody's shop")
    with pytest.raises(SettingError, match="not the demo's"):
        load_demo(Settings(data=tmp_path / "var", encoder="hash"), reset=True)


def inhabit(url: str) -> None:
    """Lay a database in which somebody has an account."""
    upgrade(url)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        columns = [row[1:4] for row in database.execute("PRAGMA table_info(accounts)")]
        named = [name for name, _, needed in columns if needed]
        database.execute(f"INSERT INTO accounts ({', '.join(named)}) VALUES ({', '.join('1' for _ in named)})")


def test_the_demo_empties_no_database_server(tmp_path: Path) -> None:
    (tmp_path / "demo.loading").touch()
    settings = Settings(data=tmp_path, encoder="hash", database_url="postgresql://nobody@127.0.0.1/nothing")
    with pytest.raises(SettingError, match="empty this database yourself"):
        load_demo(settings, reset=False)


def test_a_taken_port_is_said_before_the_demo_is_loaded(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingError, match="is taken"):
            load_first(Settings(data=tmp_path, port=taken.getsockname()[1]), reset=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OFFSHELF_PORT", "abc", "OFFSHELF_PORT is 'abc'"),
        ("OFFSHELF_PORT", "70000", "OFFSHELF_PORT"),
        ("OFFSHELF_TIME_ZONE", "Asia/Atlantis", "tz database"),
        ("OFFSHELF_CURRENCY", "XXX", "CNY, USD, EUR or JPY"),
        ("OFFSHELF_DATABASE_URL", "mysql://x", "postgresql://"),
        ("OFFSHELF_INGEST_HOST", "srt://here", "address on which encoders may call"),
        ("OFFSHELF_INGEST_HOST", "0.0.0.0", "OFFSHELF_PUBLIC_URL"),
        ("OFFSHELF_INGEST_PORTS", "9299-9200", "FIRST-LAST"),
        ("OFFSHELF_INGEST_PORTS", "80-90", "from 1024"),
        ("OFFSHELF_INGEST_PORTS", "9200", "FIRST-LAST"),
        ("OFFSHELF_INGEST_PORTS", "9200-99999", "65535"),
        ("OFFSHELF_SECRET", "short", "32 characters"),
        ("OFFSHELF_DATABSE_URL", "x", "is not a setting"),
    ],
)
def test_a_wrong_setting_names_its_variable_and_what_it_accepts(variable: str, value: str, said: str) -> None:
    with pytest.raises(SettingError, match=said.replace("(", r"\(")) as error:
        read_settings({variable: value})
    assert variable in str(error.value)
    assert variable != "OFFSHELF_SECRET" or value not in str(error.value)


def test_the_data_folder_is_absolute_whatever_was_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings({}).data == tmp_path / "var"
    assert read_settings({"OFFSHELF_DATA": "here"}).data == tmp_path / "here"


def test_encoders_are_told_the_public_name_of_a_wildcard() -> None:
    told = read_settings({"OFFSHELF_INGEST_HOST": "0.0.0.0", "OFFSHELF_PUBLIC_URL": "https://shop.example:8443"})
    assert (told.ingest_host, told.ingest_name) == ("0.0.0.0", "shop.example")
    assert read_settings({}).ingest_name == "127.0.0.1"
    assert read_settings({"OFFSHELF_INGEST_PORTS": "9000-9000"}).ingest_range == range(9000, 9001)


def test_options_win_over_the_environment() -> None:
    assert read_settings({"OFFSHELF_PORT": "81"}, port=82).port == 82
    assert read_settings({"OFFSHELF_PORT": "81"}, port=None).port == 81
