"""Small migrations of the tests' own, to try the runner with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from oeventdb import schema


class Toys:
    """A directory of migrations on an empty database."""

    def __init__(self, directory: Path, dsn: str) -> None:
        self.directory = directory
        self.dsn = dsn

    def add(self, name: str, apply: str, rollback: str = "") -> Path:
        """Write a migration and its rollback; return the path of the migration."""
        path = self.directory / f"{name}.sql"
        path.write_text(apply, "utf-8")
        path.with_suffix(".rollback.sql").write_text(rollback, "utf-8")
        return path

    def add_tables(self, *names: str) -> None:
        """Write a migration 0001, 0002 ... that creates each of the tables."""
        for number, name in enumerate(names, start=1):
            self.add(
                f"{number:04d}.{name}",
                f"CREATE TABLE public.{name} (id int);\n",
                f"DROP TABLE public.{name};\n",
            )

    def migrate(self, **options: Any) -> list[str]:
        """Migrate the database with these migrations."""
        return schema.migrate(self.dsn, directory=self.directory, **options)

    def rollback(self, **options: Any) -> list[str]:
        """Roll the database back."""
        return schema.rollback(self.dsn, directory=self.directory, **options)

    def query(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def execute(self, statement: str) -> None:
        """Run a statement."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def tables(self) -> list[str]:
        """Return the tables of schema public."""
        found = self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [name for (name,) in found]

    def ledger(self) -> list[str]:
        """Return the ids in the ledger; an interrupted one ends with a question mark."""
        found = self.query(
            "SELECT id || CASE WHEN finished_at IS NULL THEN '?' ELSE '' END"
            " FROM oeventdb_internal.ledger ORDER BY id"
        )
        return [name for (name,) in found]
