"""A server whose commits are durable, as in production, and databases on it that are dropped again."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from oeventdb.servers.local_postgres import LocalPostgres
from oeventdb.servers.postgres import embedded_programs

_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "maintenance_work_mem": "256MB"}


@contextmanager
def server(dsn: str | None) -> Iterator[str]:
    """Yield the DSN given, or that of an embedded server with fsync on; say which."""
    if dsn:
        print("PostgreSQL at the given DSN")
        yield dsn
        return
    home = Path(tempfile.mkdtemp(prefix="oeventdb-bench-", dir="/tmp"))
    local = LocalPostgres(embedded_programs(), home, settings=_SETTINGS)
    try:
        local.start()
        print(f"embedded PostgreSQL {local.version}, fsync on")
        yield local.conninfo()
    finally:
        local.destroy()


@contextmanager
def database(server_dsn: str, template: str | None = None) -> Iterator[str]:
    """Make a database, a copy of that with the DSN `template` if given; drop it afterwards."""
    name = f"oeventdb_bench_{uuid.uuid4().hex[:8]}"
    source = str(conninfo_to_dict(template)["dbname"]) if template else "template0"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    with psycopg.connect(server_dsn, autocommit=True) as admin:
        admin.execute(create.format(sql.Identifier(name), sql.Identifier(source)))
        try:
            dsn = make_conninfo(server_dsn, dbname=name)
            execute(dsn, "CHECKPOINT")
            yield dsn
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def execute(dsn: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
