"""Frozen copies and the files they are copies of stay in step."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import freeze

V1 = "-- One.\nCREATE OR REPLACE FUNCTION oeventdb.f() RETURNS int LANGUAGE sql AS 'SELECT 1';\n"
V2 = V1.replace("SELECT 1", "SELECT 2")
FILE = "db/procedures/things/f.sql"


class Db:
    """A db directory with one procedure, frozen in 0001.first."""

    def __init__(self, root: Path) -> None:
        self.path = root / "db"
        (self.path / "procedures" / "things").mkdir(parents=True)
        (self.path / "migrations").mkdir()
        self.write("0001.first", f"-- First.\n-- >>> {FILE}\n{V1}-- <<<\n")
        self.write("0001.first.rollback", f"-- >>> {FILE}\nDROP FUNCTION oeventdb.f();\n-- <<<\n")
        self.procedure(V1)

    def procedure(self, text: str) -> None:
        """Write the procedure."""
        (self.path / "procedures" / "things" / "f.sql").write_text(text)

    def write(self, name: str, text: str) -> None:
        """Write a migration or a rollback."""
        (self.path / "migrations" / f"{name}.sql").write_text(text)

    def read(self, name: str) -> str:
        """Return the text of one."""
        return (self.path / "migrations" / f"{name}.sql").read_text()

    def release(self) -> int:
        """List the migrations as released, as they are."""
        return freeze.main(["--db", str(self.path), "--release"])

    def check(self) -> list[str]:
        """Return what --check finds."""
        return freeze.check(freeze.Tree.read(self.path))

    def refresh(self) -> list[str]:
        """Return what --refresh changes."""
        return freeze.refresh(freeze.Tree.read(self.path))


@pytest.fixture
def db(tmp_path: Path) -> Db:
    return Db(tmp_path)


def test_a_tree_in_step_is_content(db: Db) -> None:
    assert db.check() == []
    assert db.refresh() == []


def test_an_edited_file_is_found_and_refreshed(db: Db) -> None:
    db.procedure(V2)
    assert db.check() == [f"{FILE} differs from its copy in 0001.first: make refresh"]
    assert db.refresh() == ["0001.first"]
    assert db.read("0001.first") == f"-- First.\n-- >>> {FILE}\n{V2}-- <<<\n"
    assert db.check() == []


def test_a_file_in_no_migration_is_found(db: Db) -> None:
    (db.path / "procedures" / "things" / "g.sql").write_text(V1)
    assert db.check() == ["db/procedures/things/g.sql is in no migration"]


def test_a_copy_of_no_file_is_found(db: Db) -> None:
    (db.path / "procedures" / "things" / "f.sql").unlink()
    assert db.check() == [f"0001.first holds {FILE}, which does not exist"]
    db.write("0002.gone", f"-- gone: {FILE}\nDROP FUNCTION oeventdb.f();\n")
    assert db.check() == []


def test_a_released_migration_must_not_change(db: Db) -> None:
    db.release()
    assert db.check() == []
    db.write("0001.first", db.read("0001.first") + "\n")
    assert db.check() == ["0001.first is released and must not change"]


def test_nothing_is_released_that_is_not_in_step(db: Db) -> None:
    db.release()
    db.write("0001.first", db.read("0001.first") + "\n")
    assert db.release() == 1
    assert db.check() == ["0001.first is released and must not change"]


def test_a_released_rollback_must_not_change(db: Db) -> None:
    db.release()
    db.write("0001.first.rollback", db.read("0001.first.rollback") + "\n")
    assert db.check() == ["0001.first is released and must not change"]


def test_a_released_migration_is_not_refreshed(db: Db) -> None:
    db.release()
    db.procedure(V2)
    assert db.refresh() == []
    assert db.check() == [f"{FILE} differs from its copy in 0001.first: make migration name=..."]


def test_a_new_migration_freezes_what_changed_and_how_it_was(db: Db) -> None:
    db.release()
    db.procedure(V2)
    (db.path / "procedures" / "things" / "g.sql").write_text(V1.replace(".f()", ".g()"))
    freeze.main(["--db", str(db.path), "new", "second-try"])
    assert "-- depends: 0001.first\n" in db.read("0002.second-try")
    assert f"-- >>> {FILE}\n{V2}-- <<<\n" in db.read("0002.second-try")
    rollback = db.read("0002.second-try.rollback")
    assert f"-- >>> {FILE}\n{V1}-- <<<\n" in rollback
    assert "DROP FUNCTION IF EXISTS oeventdb.g;\n-- <<<\n" in rollback
    assert db.check() == []


def test_the_newest_copy_alone_follows_the_file(db: Db) -> None:
    db.procedure(V2)
    freeze.main(["--db", str(db.path), "new", "second"])
    db.procedure(V2.replace("SELECT 2", "SELECT 3"))
    assert db.refresh() == ["0002.second"]
    assert V1 in db.read("0001.first")
    assert "SELECT 3" in db.read("0002.second")


def test_a_rollback_that_puts_back_something_else_is_found_and_refreshed(db: Db) -> None:
    db.procedure(V2)
    freeze.main(["--db", str(db.path), "new", "second"])
    db.write("0002.second.rollback", f"-- >>> {FILE}\n{V2}-- <<<\n")
    assert db.check() == [f"0002.second.rollback does not put back the copy of {FILE}"]
    assert db.refresh() == ["0002.second.rollback"]
    assert V1 in db.read("0002.second.rollback")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"-- >>> {FILE}\n{V1}", f"the copy of {FILE} does not end"),
        (f"{V1}-- <<<\n", "a copy ends that did not begin"),
        (f"-- >>> {FILE}\n-- <<<\n-- >>> {FILE}\n-- <<<\n", f"{FILE} is there twice"),
        (f"-->>> {FILE}\n-- <<<\n", "write a marker as"),
    ],
)
def test_unpaired_markers_are_found(
    db: Db, capsys: pytest.CaptureFixture[str], text: str, reason: str
) -> None:
    db.write("0001.first", text)
    assert freeze.main(["--db", str(db.path), "--check"]) == 1
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("name", ["Capital", "two words", "-x", "a_b", "../x"])
def test_other_names_are_refused(db: Db, name: str) -> None:
    with pytest.raises(SystemExit):
        freeze.main(["--db", str(db.path), "new", "--", name])
    assert len(list((db.path / "migrations").iterdir())) == 2
