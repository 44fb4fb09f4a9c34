"""A server that is not there, or does not let us in: one line, its exit status, nothing changed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from oeventdb.cli import main
from oeventdb.servers import unprivileged
from oeventdb.servers.local_postgres import LocalPostgres
from tests.cli.running import commands, one_line, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oeventdb.servers.postgres import Postgres

NOWHERE = "host=127.0.0.1 port=1 dbname=nothing"
NO_SEARCH = "http://127.0.0.1:9"
ARGUMENTS = {
    ("quarantine", "show"): ("1",),
    ("quarantine", "restore"): ("1",),
    ("grant",): ("app", "somebody"),
}
WITHOUT_DATABASE = {("demo",), ("search",)}

ON_DATABASE = [
    pytest.param((*words, *ARGUMENTS.get(words, ())), id=" ".join(words))
    for words in commands()
    if words not in WITHOUT_DATABASE
]
# sync waits for servers to come back, so it does not say at once that they are away.
AT_ONCE = [case for case in ON_DATABASE if case.id != "sync"]
ON_SEARCH = [case for case in AT_ONCE if case.id == "reindex"]


@pytest.fixture(scope="module")
def guarded(postgres: Postgres) -> Iterator[str]:
    """Return the DSN of a server that asks for a password, without one."""
    if postgres.local is None:
        pytest.skip("needs a server of our own")
    home = unprivileged.scratch_directory("oeventdb-", in_memory=True)
    home.chmod(0o755)
    server = LocalPostgres(postgres.local.bindir, home / "server")
    server.start()
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'open sesame'")
        (server.data / "pg_hba.conf").write_text("local all guest scram-sha-256\nlocal all all trust\n")
        connection.execute("SELECT pg_reload_conf()")
    yield make_conninfo(server.conninfo(), user="guest")
    server.destroy()
    shutil.rmtree(home)


@pytest.mark.parametrize("words", ON_DATABASE)
def test_no_dsn_is_a_usage_error(words: tuple[str, ...]) -> None:
    result = run(main, *words)
    assert result.exit_code == 2
    assert "OEVENTDB_DSN" in one_line(result)


@pytest.mark.parametrize("words", AT_ONCE)
@pytest.mark.parametrize(
    "dsn",
    [NOWHERE, "hunter2 is no DSN", "postgresql://me:hunter2@127.0.0.1:port/d", "embedded:"],
    ids=["unreachable", "no DSN", "bad port", "no directory"],
)
def test_no_server_is_status_4(words: tuple[str, ...], dsn: str) -> None:
    result = run(main, *words, "--dsn", dsn, "--elasticsearch-url", NO_SEARCH)
    assert result.exit_code == 4
    line = one_line(result)
    assert line.startswith("postgresql: ")
    assert "hunter2" not in line


@pytest.mark.parametrize("words", AT_ONCE)
def test_a_wrong_password_is_status_4_and_is_not_shown(words: tuple[str, ...], guarded: str) -> None:
    for dsn in (guarded, make_conninfo(guarded, password="hunter2")):
        result = run(main, *words, "--dsn", dsn, "--elasticsearch-url", NO_SEARCH)
        assert result.exit_code == 4
        line = one_line(result)
        assert line.startswith("postgresql: ")
        assert "password" in line
        assert "hunter2" not in line


@pytest.mark.parametrize("words", AT_ONCE)
def test_an_unknown_database_is_status_4(words: tuple[str, ...], postgres: Postgres) -> None:
    dsn = make_conninfo(postgres.dsn, dbname="no_such_database")
    result = run(main, *words, "--dsn", dsn, "--elasticsearch-url", NO_SEARCH)
    assert result.exit_code == 4
    assert "no_such_database" in one_line(result)


@pytest.fixture
def powerless(empty: str) -> Iterator[str]:
    """Return the DSN of an empty database as a role that may do nothing."""
    role = "oeventdb_test_powerless"
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(role)))
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        yield make_conninfo(empty, user=role, password="x")
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.mark.parametrize("words", [words for words in ON_DATABASE if words.id == "migrate"])
def test_a_role_without_privileges_changes_nothing(
    words: tuple[str, ...], powerless: str, empty: str
) -> None:
    result = run(main, *words, "--dsn", powerless)
    assert result.exit_code == 1
    assert one_line(result).startswith("refused: oeventdb_test_powerless may not")
    with psycopg.connect(empty) as connection:
        schemas = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname ~ '^oeventdb'").fetchall()
        assert schemas == []


@pytest.mark.parametrize("words", ON_SEARCH)
def test_no_elasticsearch_is_status_5(words: tuple[str, ...], migrated: str) -> None:
    result = run(main, *words, "--dsn", migrated, "--elasticsearch-url", NO_SEARCH)
    assert result.exit_code == 5
    assert one_line(result).startswith("elasticsearch: ")


@pytest.mark.parametrize("words", [words for words in commands() if words == ("search",)], ids=" ".join)
def test_a_search_without_elasticsearch_is_status_5(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.search.query._PATIENCE", 0.2)
    result = run(main, *words, "python", "--elasticsearch-url", NO_SEARCH)
    assert result.exit_code == 5
    assert one_line(result).startswith("elasticsearch: ")
