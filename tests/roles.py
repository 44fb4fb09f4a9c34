"""Roles for tests that log in as somebody who is not the superuser."""

from __future__ import annotations

import uuid

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

PASSWORD = "open sesame 'quoted' \\ and all"


class Roles:
    """Makes ordinary roles on a server, and drops them with all they own."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._made: list[str] = []
        self._databases: list[str] = []

    def create(self, name: str) -> str:
        """Create a role that may log in and nothing else; return its full name."""
        role = f"oeventdb_test_{name}_{uuid.uuid4().hex[:8]}"
        self._run(
            sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(PASSWORD)
            )
        )
        self._made.append(role)
        return role

    def login(self, dsn: str, role: str) -> str:
        """Return the conninfo of the same database for a role."""
        return make_conninfo(dsn, user=role, password=PASSWORD)

    def database(self, owner: str, template: str = "template0") -> str:
        """Create a database that the role owns, and return the role's conninfo of it."""
        name = f"oeventdb_test_{uuid.uuid4().hex[:12]}"
        self._run(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(owner), sql.Identifier(template)
            )
        )
        self._databases.append(name)
        return self.login(make_conninfo(self._server, dbname=name), owner)

    def superuser(self, dsn: str) -> str:
        """Return the superuser's conninfo of the same database."""
        return make_conninfo(self._server, dbname=conninfo_to_dict(dsn)["dbname"])

    def close(self) -> None:
        """Drop everything again; databases of others were dropped before."""
        for name in self._databases:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for role in self._made:
            self._disown(role)
            self._run(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))

    def _disown(self, role: str) -> None:
        with psycopg.connect(self._server) as connection:
            databases = connection.execute(
                "SELECT DISTINCT d.datname FROM pg_shdepend AS s"
                " JOIN pg_database AS d ON d.oid = s.dbid JOIN pg_roles AS r ON r.oid = s.refobjid"
                " WHERE r.rolname = %s",
                (role,),
            ).fetchall()
        for (name,) in databases:
            with psycopg.connect(make_conninfo(self._server, dbname=name)) as connection:
                connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(statement)
