"""What a crash of PostgreSQL and a commit in two phases have to do with the index: nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from oeventdb import schema, search
from tests import samples
from tests.search.test_reindex import documents
from tests.search.test_sync import once

if TYPE_CHECKING:
    from collections.abc import Callable

    from oeventdb.servers.local_postgres import LocalPostgres
    from tests.search.elastic import Elastic


def test_a_commit_that_a_crash_could_undo_is_not_indexed_before_it_is_durable(
    forgetful: LocalPostgres, elastic: Elastic
) -> None:
    dsn = forgetful.conninfo()
    schema.migrate(dsn)
    with psycopg.connect(dsn, autocommit=True) as db:
        event = samples.event(db)
        search.reindex(dsn, elastic.url, alias=elastic.alias)
        db.execute("CHECKPOINT")
        # a page of the log that is full is written at once, so let it begin with a new one
        db.execute("SELECT pg_switch_wal()")
        db.execute("UPDATE events SET name = 'lost?' WHERE id = %s", (event,))
        once(dsn, elastic)
        forgetful.kill9()
    forgetful.start()
    with psycopg.connect(forgetful.conninfo(), autocommit=True) as db:
        once(dsn, elastic)
        assert elastic.documents() == documents(db)
        db.execute("UPDATE events SET description = 'later' WHERE id = %s", (event,))
        once(dsn, elastic)
        assert elastic.documents() == documents(db)


def test_a_repair_that_a_crash_could_undo_is_not_indexed_before_it_is_durable(
    forgetful: LocalPostgres, elastic: Elastic
) -> None:
    dsn = forgetful.conninfo()
    schema.migrate(dsn)
    with psycopg.connect(dsn, autocommit=True) as db:
        event = samples.event(db)
        search.reindex(dsn, elastic.url, alias=elastic.alias)
        elastic.ask("DELETE", f"/{elastic.alias}/_doc/{event}?refresh=true")
        db.execute("CHECKPOINT")
        db.execute("SELECT pg_switch_wal()")
        assert search.verify(dsn, elastic.url, alias=elastic.alias, repair=True).repaired == 1
        forgetful.kill9()
    forgetful.start()
    with psycopg.connect(forgetful.conninfo(), autocommit=True) as db:
        db.execute("UPDATE events SET name = 'later' WHERE id = %s", (event,))
        once(dsn, elastic)
        assert elastic.documents() == documents(db)


def test_a_transaction_that_changes_events_can_be_prepared(
    own_server: Callable[..., LocalPostgres], elastic: Elastic
) -> None:
    dsn = own_server(max_prepared_transactions="1").conninfo()
    schema.migrate(dsn)
    search.reindex(dsn, elastic.url, alias=elastic.alias)
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("BEGIN")
        samples.event(db)
        db.execute("PREPARE TRANSACTION 'two phases'")
        db.execute("COMMIT PREPARED 'two phases'")
        once(dsn, elastic)
        assert len(elastic.documents()) == 1
        assert elastic.documents() == documents(db)
