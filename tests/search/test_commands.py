"""The commands reindex and search: data on stdout, one line and the exit status of the contract else."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import search
from oeventdb.cli import main
from tests import samples
from tests.cli.running import one_line, run
from tests.search.test_reindex import documents

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from tests.search.elastic import Elastic


@pytest.fixture
def shell(migrated: str, elastic: Elastic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what a shell would have set."""
    monkeypatch.setenv("OEVENTDB_DSN", migrated)
    monkeypatch.setenv("OEVENTDB_ELASTICSEARCH_URL", elastic.url)
    monkeypatch.setenv("OEVENTDB_ALIAS", elastic.alias)


def oeventdb(*arguments: str, **environment: str) -> Result:
    """Run a command."""
    return run(main, *arguments, **environment)


@pytest.mark.usefixtures("shell")
def test_reindex_and_search_in_json(db: psycopg.Connection, elastic: Elastic) -> None:
    event = samples.event(db, name="PyCon DE", searchable_location_name="Berlin")
    done = json.loads(oeventdb("reindex", "--json").stdout)
    assert set(done) == {"index", "alias", "documents", "seconds"}
    assert (done["alias"], done["documents"]) == (elastic.alias, 1)
    found = json.loads(oeventdb("search", "pyc berl", "--json").stdout)
    assert found["total"] == 1
    hit = found["hits"][0]
    assert (hit["id"], hit["name"]) == (event, "PyCon DE")
    assert hit["score"] > 0


@pytest.mark.usefixtures("shell")
def test_reindex_and_search_for_people(db: psycopg.Connection) -> None:
    samples.event(db, name="PyCon [bold]DE[/bold]", searchable_location_name="Berlin")
    done = oeventdb("reindex")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "1 documents" in one_line(done)
    found = oeventdb("search", "pycon")
    assert "PyCon [bold]DE[/bold]" in found.stdout
    assert found.stderr == "1 of 1 events\n"


@pytest.mark.usefixtures("shell")
def test_a_name_commands_no_terminal(db: psycopg.Connection) -> None:
    samples.event(db, name="evil \x1b[2J\x1b]0;title\x07 \u202eright to left \x9b2J")
    oeventdb("reindex")
    found = oeventdb("search", "evil").stdout
    assert "evil \ufffd[2J\ufffd]0;title\ufffd \ufffdright to left \ufffd2J" in found
    given = ("--elasticsearch-url", "http://\x1b[2J.invalid:1")
    assert "\x1b" not in oeventdb("search", "evil", *given).stderr


@pytest.mark.usefixtures("shell")
def test_a_document_that_is_refused_commands_no_terminal(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    properties = {"name": {"type": "long"}, "privacy": {"type": "keyword"}}
    numbers = search.Definition({}, {"dynamic": False, "properties": properties})
    search.reindex(migrated, elastic.url, alias=elastic.alias, definition=numbers)
    event = samples.event(db, name="\x1b[2J \u202eright to left \x9b2J")
    told = oeventdb("sync", "--once").stderr
    assert f"event {event} version 1 refused: " in told
    assert "\ufffd[2J \ufffdright to left \ufffd2J" in told
    assert not {"\x1b", "\u202e", "\x9b"} & set(told)


@pytest.mark.usefixtures("shell")
def test_dates_of_any_kind_are_shown(db: psycopg.Connection, elastic: Elastic) -> None:
    samples.event(db, name="ides", starts_at="0044-03-15 12:00+00")
    oeventdb("reindex")
    by_hand = {"name": "spring", "starts_at": "2026-05"}
    elastic.ask("PUT", f"/{elastic.alias}/_doc/9000?refresh=true", by_hand)
    assert " 0044-03-15 " in oeventdb("search", "ides").stdout
    assert " 2026-05 " in oeventdb("search", "spring").stdout


@pytest.mark.usefixtures("shell")
def test_nothing_found_is_no_failure() -> None:
    oeventdb("reindex")
    found = oeventdb("search", "pycon")
    assert (found.exit_code, found.stdout, found.stderr) == (0, "", "0 of 0 events\n")


@pytest.mark.usefixtures("shell")
def test_a_file_holds_what_reindex_sends(db: psycopg.Connection, elastic: Elastic, tmp_path: Path) -> None:
    samples.event(db, name="one")
    samples.event(db, name="two")
    path = tmp_path / "events.ndjson"
    assert oeventdb("reindex", "--to-file", str(path)).exit_code == 0
    assert oeventdb("reindex", "--to-file", "-").stdout_bytes == path.read_bytes()
    elastic.ask("POST", f"/{elastic.alias}-x/_bulk?refresh=true", path.read_bytes())
    assert elastic.documents(f"{elastic.alias}-x") == documents(db)


@pytest.mark.usefixtures("many")
@pytest.mark.usefixtures("shell")
def test_stdout_that_is_closed_early_is_no_traceback(migrated: str) -> None:
    command = [sys.executable, "-m", "oeventdb", "reindex", "--to-file", "-", "--dsn", migrated]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(100)
        process.stdout.close()
        said = process.stderr.read().decode()
    assert (process.returncode, said) == (1, "")


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_stdout_that_takes_a_part_only_is_a_failure(
    db: psycopg.Connection, migrated: str, unbuffered: str, tmp_path: Path
) -> None:
    # one request's worth, all but the beginning of it past the limit: as on a disk that is getting full
    samples.event(db, description="x" * 500_000)
    command = [sys.executable, "-m", "oeventdb", "reindex", "--to-file", "-", "--dsn", migrated]
    with (tmp_path / "events.ndjson").open("wb") as file:
        done = subprocess.run(
            ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh", *command],
            stdout=file,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "error: File too large\n")


def test_stdout_without_a_buffer_that_takes_a_part_only_is_a_failure(
    db: psycopg.Connection, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples.event(db, description="x" * 500_000)
    read, write = os.pipe()
    with os.fdopen(write, "wb", buffering=0) as raw, os.fdopen(read, "rb") as reader:
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, write_through=True))

        def read_some() -> None:
            reader.read(100)
            reader.close()

        reading = threading.Thread(target=read_some)
        reading.start()
        with pytest.raises(BrokenPipeError):
            search.export_to_file(migrated, "-")
        reading.join()


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("before", [b"", b"before\n"])
@pytest.mark.parametrize("descriptor", ["/proc/self/fd/{}", "/dev/fd/{}"])
def test_an_open_descriptor_is_written_to(
    db: psycopg.Connection, tmp_path: Path, before: bytes, descriptor: str
) -> None:
    samples.event(db)
    path = tmp_path / "events.ndjson"
    with path.open("wb") as file:
        file.write(before)
        file.flush()
        assert oeventdb("reindex", "--to-file", descriptor.format(file.fileno())).exit_code == 0
        assert os.fstat(file.fileno()).st_ino == path.stat().st_ino
    assert path.read_bytes() == before + oeventdb("reindex", "--to-file", "-").stdout_bytes


@pytest.mark.usefixtures("shell")
def test_a_file_that_is_replaced_keeps_its_permissions_and_the_link_to_it(
    db: psycopg.Connection, tmp_path: Path
) -> None:
    samples.event(db)
    path, link = tmp_path / "events.ndjson", tmp_path / "link"
    path.write_text("before")
    path.chmod(0o600)
    link.symlink_to(path)
    assert oeventdb("reindex", "--to-file", str(link)).exit_code == 0
    assert link.readlink() == path
    assert path.read_bytes() == oeventdb("reindex", "--to-file", "-").stdout_bytes
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize(
    ("arguments", "status", "begins"),
    [
        (
            ["reindex", "--elasticsearch-url", "http://u:geheim@127.0.0.1:1"],
            5,
            "elasticsearch: no answer from",
        ),
        (["search", "x", "--elasticsearch-url", "http://127.0.0.1:1"], 5, "elasticsearch: no answer from"),
        (["search", "x"], 5, "elasticsearch: there is no index behind the alias"),
        (["reindex", "--dsn", "postgresql://u:geheim@127.0.0.1:1/x"], 4, "postgresql: "),
        (["reindex", "--keep", "-1"], 2, "usage: "),
        (["reindex", "--alias", "No/Name"], 2, "usage: the alias"),
        (["search", "x", "--alias", "*"], 2, "usage: the alias"),
        (["search", "\udcff"], 2, "usage: an option or argument is not UTF-8"),
        (
            ["reindex", "--to-file", "/nowhere/at/all"],
            1,
            "error: No such file or directory: /nowhere/at/all",
        ),
        (["reindex", "--index-settings", "/nowhere/at/all"], 1, "error: No such file or directory"),
        (["reindex", "--index-settings", "/dev/null"], 1, "refused: /dev/null is not JSON"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], status: int, begins: str, elastic: Elastic) -> None:
    result = oeventdb(*arguments)
    line = one_line(result)
    assert (result.exit_code, line[: len(begins)]) == (status, begins)
    assert "geheim" not in line
    assert elastic.indices() == {}


def test_without_a_dsn_reindex_is_refused(elastic: Elastic) -> None:
    result = oeventdb("reindex", "--elasticsearch-url", elastic.url, OEVENTDB_DSN="")
    assert result.exit_code == 2
    assert "--dsn" in one_line(result)


def test_a_search_role_needs_no_more_than_it_is_granted(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    role = f"search_{elastic.alias}"
    samples.event(db)
    db.execute(f"CREATE ROLE {role} LOGIN")
    try:
        assert oeventdb("grant", "search", role, "--dsn", migrated).exit_code == 0
        dsn = psycopg.conninfo.make_conninfo(migrated, user=role)
        result = oeventdb(
            "reindex", "--dsn", dsn, "--elasticsearch-url", elastic.url, "--alias", elastic.alias
        )
        assert result.exit_code == 0, result.stderr
        assert elastic.documents() == documents(db)
    finally:
        db.execute(f"DROP OWNED BY {role}")
        db.execute(f"DROP ROLE {role}")


def test_a_role_that_may_not_read_is_told_so(db: psycopg.Connection, migrated: str, elastic: Elastic) -> None:
    role = f"nobody_{elastic.alias}"
    db.execute(f"CREATE ROLE {role} LOGIN")
    try:
        dsn = psycopg.conninfo.make_conninfo(migrated, user=role)
        result = oeventdb(
            "reindex", "--dsn", dsn, "--elasticsearch-url", elastic.url, "--alias", elastic.alias
        )
        assert result.exit_code == 1
        assert one_line(result).startswith("42501: ")
        assert "oeventdb grant" in one_line(result)
        assert elastic.indices() == {}
    finally:
        db.execute(f"DROP ROLE {role}")
