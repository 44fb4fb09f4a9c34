"""Write db/manifest.json, the catalog of a release, from a freshly migrated database.

    python tools/manifest.py            write it
    python tools/manifest.py --check    fail where it is not what the migrations install

An empty database is taken from --dsn or OEVENTDB_TEST_DSN, or else from a server started here.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from oeventdb import schema
from oeventdb.schema import catalog, manifest
from oeventdb.servers.postgres import find_postgres

# Foreign keys that stay NOT VALID where old rows refer to what is gone.
_MAY_STAY_UNVALIDATED = re.compile(r"oeventdb_internal\.validate_reference\('([\w.]+)', '(\w+)'\)")

TARGET = Path(__file__).resolve().parent.parent / "db" / "manifest.json"


@contextmanager
def database(server: str) -> Iterator[str]:
    """Yield the conninfo of a new database that is dropped afterwards."""
    name = f"oeventdb_manifest_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield make_conninfo(server, dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def generate(dsn: str) -> str:
    """Migrate an empty database and return the text of the manifest."""
    migrations = schema.load()
    schema.migrate(dsn, to=migrations[0].id)
    with schema.connect(dsn) as connection:
        legacy = catalog.read(connection)
    schema.migrate(dsn)
    with schema.connect(dsn) as connection:
        objects = catalog.read(connection)
    texts = "".join(statement.text for m in migrations for statement in m.apply.statements)
    excused = {".".join(names) for names in _MAY_STAY_UNVALIDATED.findall(texts)}
    for thing in objects.values():
        if thing.definition.get("validated") == "no" or thing.object in excused:
            # whether it is validated is for those to decide who have mended their rows
            thing.definition.pop("validated", None)
    return manifest.dump(migrations[-1].id, objects, legacy)


def main(arguments: list[str] | None = None) -> int:
    """Write or check the manifest; exit status 1 when it is not fresh."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--dsn", default=os.environ.get("OEVENTDB_TEST_DSN"))
    options = parser.parse_args(arguments)
    with find_postgres(options.dsn) as server, database(server.dsn) as dsn:
        text = generate(dsn)
    if not options.check:
        TARGET.write_text(text, "utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text("utf-8") == text:
        return 0
    print(f"{TARGET.name} is not what the migrations install: make manifest", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
