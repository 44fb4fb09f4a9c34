"""A PostgreSQL of our own: started, stopped, killed, found again."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from oeventdb.cli import main
from oeventdb.errors import DatabaseUnreachable
from oeventdb.servers import postgres as servers
from oeventdb.servers import unprivileged
from oeventdb.servers.local_postgres import LocalPostgres
from tests.cli.running import one_line, run

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a directory that a server running as another user can reach, unlike tmp_path."""
    path = unprivileged.scratch_directory("oeventdb-", in_memory=True)
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def server(home: Path) -> Iterator[LocalPostgres]:
    local = LocalPostgres(_programs(), home / "server")
    local.start()
    yield local
    local.destroy()


def _programs() -> Path:
    try:
        return servers.embedded_programs()
    except DatabaseUnreachable as missing:
        if os.environ.get("OEVENTDB_REQUIRE_SERVERS") == "1":
            raise
        pytest.skip(str(missing))


def _scalar(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def test_what_was_committed_survives_a_kill(server: LocalPostgres) -> None:
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    server.kill9()
    assert not server.running()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.conninfo())
    server.start()
    assert _scalar(server.conninfo(), "SELECT n FROM kept") == 7


def test_stop_and_start_find_the_same_data(server: LocalPostgres) -> None:
    server.stop()
    assert not server.running()
    with pytest.raises(DatabaseUnreachable, match="not running"):
        server.conninfo()
    server.start()
    server.start()
    assert _scalar(server.conninfo(), "SELECT 1") == 1


def test_a_process_that_has_the_number_of_a_killed_server_is_left_alone(server: LocalPostgres) -> None:
    pidfile = server.data / "postmaster.pid"
    server.kill9()
    first, *rest = pidfile.read_text().splitlines(keepends=True)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            pidfile.write_text("".join([f"{stranger.pid}\n", *rest]))
            server.stop()
            server.kill9()
            assert not server.running()
            server.start()
            assert _scalar(server.conninfo(), "SELECT 1") == 1
            assert pidfile.read_text().split()[0] not in (first.strip(), str(stranger.pid))
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_server_in_a_directory_of_any_name_is_found_again(
    home: Path, locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    local = LocalPostgres(_programs(), home / "Büro (Σ) *, 2")
    try:
        local.start()
        assert local.running()
    finally:
        local.destroy()
    assert not local.running()


def test_a_directory_too_long_for_a_socket_is_no_obstacle(home: Path) -> None:
    local = LocalPostgres(_programs(), home / ("long-" * 30))
    try:
        local.start()
        assert _scalar(local.conninfo(), "SELECT 1") == 1
        socket = Path(str(conninfo_to_dict(local.conninfo())["host"]))
    finally:
        local.destroy()
    assert not socket.exists()


def test_a_directory_with_a_space_and_a_quote_is_no_obstacle(home: Path) -> None:
    local = LocalPostgres(_programs(), home / "it's a place")
    try:
        local.start()
        assert _scalar(local.conninfo(), "SELECT 1") == 1
    finally:
        local.destroy()


def test_a_directory_open_to_others_does_not_open_the_server(home: Path) -> None:
    home.chmod(0o755)
    local = LocalPostgres(_programs(), home)
    local.start()
    try:
        sockets = list(home.glob(".s.PGSQL.5432"))
        assert {path: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in [*sockets, local.log]} == {
            home / ".s.PGSQL.5432": 0,
            local.log: 0,
        }
    finally:
        local.destroy()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as another user")
def test_what_else_is_in_the_directory_stays_whose_it_is(home: Path) -> None:
    letter = home / "mine" / "letter.txt"
    letter.parent.mkdir()
    letter.write_text("Dear reader")
    local = LocalPostgres(_programs(), home)
    local.start()
    try:
        assert [path.stat().st_uid for path in (letter.parent, letter)] == [0, 0]
    finally:
        local.destroy()


def test_a_server_that_cannot_start_says_why_and_names_its_log(home: Path) -> None:
    local = LocalPostgres(_programs(), home / "server", settings={"max_connections": "many"})
    with pytest.raises(DatabaseUnreachable, match=r"max_connections.*server\.log"):
        local.start()
    local.destroy()


def test_a_cluster_that_cannot_be_made_says_why(home: Path) -> None:
    initdb = home / "programs" / "initdb"
    initdb.parent.mkdir()
    initdb.write_text(
        "#!/bin/sh\n"
        "echo 'FATAL:  could not write to file: No space left on device' >&2\n"
        "echo 'initdb: removing data directory' >&2\n"
        "exit 1\n"
    )
    for path in (initdb.parent, initdb):
        path.chmod(0o755)
    with pytest.raises(DatabaseUnreachable, match=r"^initdb failed: FATAL:  could not write.*No space left"):
        LocalPostgres(initdb.parent, home / "server").start()


def test_a_directory_of_something_else_is_refused(home: Path) -> None:
    occupied = home / "pgdata"
    occupied.mkdir()
    (occupied / "letter.txt").write_text("Dear reader")
    with pytest.raises(DatabaseUnreachable, match="no PostgreSQL cluster"):
        LocalPostgres(_programs(), home).start()
    assert (occupied / "letter.txt").read_text() == "Dear reader"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as another user")
def test_root_is_told_of_a_directory_the_server_cannot_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(DatabaseUnreachable, match="cannot enter"):
        LocalPostgres(_programs(), tmp_path / "data").start()


def _embedded_in_a_process(home: Path, statement: str) -> str:
    """Run a statement on the embedded server in a process of its own, and return its output."""
    script = (
        "import sys, psycopg; from oeventdb.servers.postgres import embedded\n"
        "embedded(sys.argv[1])\n"
        "with psycopg.connect(embedded(sys.argv[1]), autocommit=True) as c:\n"
        "    print(c.execute(sys.argv[2].encode()).statusmessage)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(home), statement],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_an_embedded_server_keeps_its_data_and_ends_with_its_last_user(home: Path) -> None:
    directory = home / "embedded"
    local = LocalPostgres(_programs(), directory)
    assert _embedded_in_a_process(directory, "CREATE TABLE kept AS SELECT 1 AS n") == "SELECT 1"
    assert not local.running()
    assert _embedded_in_a_process(directory, "TABLE kept") == "SELECT 1"
    assert not local.running()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_cluster_whose_making_was_cut_short_is_made_again(home: Path, end: int) -> None:
    directory = home / "embedded"
    script = "import sys; from oeventdb.servers.postgres import embedded; embedded(sys.argv[1])"
    command = [sys.executable, "-c", script, str(directory)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as making:
        while not any(directory.glob("*/PG_VERSION")):
            assert making.poll() is None
            time.sleep(0.01)
        making.send_signal(end)
    assert _embedded_in_a_process(directory, "SELECT 1") == "SELECT 1"
    assert [path for path in directory.iterdir() if path.is_dir()] == [directory / "pgdata"]


def test_an_embedded_server_needs_a_directory() -> None:
    with pytest.raises(DatabaseUnreachable, match="no directory given"):
        servers.embedded("")


@pytest.mark.parametrize("first", ["child", "parent"])
def test_a_forked_process_shares_an_embedded_server(home: Path, first: str) -> None:
    directory = home / "embedded"
    script = (
        "import os, sys, time, psycopg; from oeventdb.servers.postgres import embedded\n"
        "dsn, parent = embedded(sys.argv[1]), os.getpid()\n"
        "is_first = (os.fork() == 0) == (sys.argv[2] == 'child')\n"
        "if is_first: sys.exit()\n"
        "if os.getpid() == parent: os.wait()\n"
        "while os.getppid() == parent: time.sleep(0.02)\n"
        "with psycopg.connect(dsn) as c: print(c.execute('SELECT 1').fetchone())"
    )
    command = [sys.executable, "-c", script, str(directory), first]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "(1,)\n"
    assert not LocalPostgres(_programs(), directory).running()


def test_processes_share_an_embedded_server(home: Path) -> None:
    directory = home / "embedded"
    local = LocalPostgres(_programs(), directory)
    script = (
        "import sys; from oeventdb.servers.postgres import embedded\n"
        "print(embedded(sys.argv[1]), flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        dsn = first.stdout.readline().strip()
        _embedded_in_a_process(directory, "SELECT 1")
        assert local.running()
        assert _scalar(dsn, "SELECT 1") == 1
        assert first.stdin is not None
        first.stdin.close()
        first.wait()
    assert not local.running()


def test_the_programs_of_an_installed_server_can_be_named() -> None:
    with (
        pytest.raises(DatabaseUnreachable, match="no PostgreSQL server") as refusal,
        servers.find_postgres(programs="debian99"),
    ):
        pass
    assert refusal.value.hint == "on Debian: apt-get install postgresql-99"


def test_a_given_url_is_used_as_it_is(server: LocalPostgres) -> None:
    with servers.find_postgres(server.conninfo()) as found:
        assert found.dsn == server.conninfo()
        assert found.description == f"PostgreSQL {server.version} at the given URL"
        assert found.local is None


def test_a_given_url_that_does_not_answer_is_no_reason_to_choose_another(home: Path) -> None:
    with (
        pytest.raises(DatabaseUnreachable),
        servers.find_postgres(f"host={home} dbname=postgres"),
    ):
        pass


@pytest.mark.parametrize(
    "directory", ["~nobody_of_this_name/data", "/dev/null/data", "/proc/data", "/etc/passwd"]
)
def test_a_directory_that_cannot_be_used_is_named(directory: str) -> None:
    result = run(main, "status", "--dsn", f"embedded:{directory}")
    assert result.exit_code == 4
    assert re.fullmatch(rf"postgresql: {directory} cannot be used: [^:]+", one_line(result))
