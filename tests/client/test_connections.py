"""The client works over whatever connection its caller has, and leaves the transaction alone."""

from __future__ import annotations

import asyncio
import uuid
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader
from psycopg_pool import ConnectionPool
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

import oeventdb
from oeventdb import AsyncClient, Client
from oeventdb.rows import EventRating

if TYPE_CHECKING:
    from collections.abc import Callable


COUNT = sqlalchemy.text("SELECT count(*) FROM feedback WHERE event_id = :event_id")


def _count(dsn: str, event_id: int) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT count(*) FROM public.feedback WHERE event_id = %s", [event_id]
        ).fetchone()
        assert row is not None
        return int(row[0])


def _submit(connection: psycopg.Connection[Any], event_id: int, user_id: int) -> None:
    given = Client(connection).submit_feedback(event_id=event_id, user_id=user_id, rating="4", comment="fine")
    assert given.rating == 4
    assert (given.event_id, given.user_id, given.comment) == (event_id, user_id, "fine")
    code = Client(connection).create_discount_code(
        event_id=event_id, code=f"{uuid.uuid4()}", type="percent", value=5
    )
    assert isinstance(code.created_at, datetime)


def test_autocommit(db: psycopg.Connection, dsn: str, event_id: int, user_id: int) -> None:
    _submit(db, event_id, user_id)
    assert _count(dsn, event_id) == 1


def test_a_transaction_is_left_to_the_caller(dsn: str, event_id: int, user_id: int) -> None:
    with psycopg.connect(dsn) as connection:
        _submit(connection, event_id, user_id)
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        assert _count(dsn, event_id) == 0
        connection.rollback()
    assert _count(dsn, event_id) == 0


def test_a_refusal_inside_a_savepoint_leaves_the_transaction_usable(
    dsn: str, event_id: int, user_id: int
) -> None:
    with psycopg.connect(dsn) as connection:
        _submit(connection, event_id, user_id)
        with pytest.raises(oeventdb.RatingInvalid), connection.transaction():
            Client(connection).submit_feedback(event_id=event_id, user_id=user_id, rating="6", comment=None)
        connection.commit()
    assert _count(dsn, event_id) == 1


def test_pipeline_mode(db: psycopg.Connection, dsn: str, event_id: int, user_id: int) -> None:
    with db.pipeline() as pipeline:
        _submit(db, event_id, user_id)
        assert Client(db).event_rating(event_id=event_id) == EventRating(event_id, Decimal(4), 1)
        pipeline.sync()
        with pytest.raises(oeventdb.NotFound):
            Client(db).event_rating(event_id=-1)
        pipeline.sync()
        assert Client(db).update_rating(rating="3.3") == Decimal("3.5")
    assert _count(dsn, event_id) == 1


def test_a_connection_from_a_pool(dsn: str, event_id: int, user_id: int) -> None:
    with ConnectionPool(dsn, min_size=1, max_size=2, open=True) as pool:
        with pool.connection() as connection:
            _submit(connection, event_id, user_id)
        with pool.connection() as connection:
            assert Client(connection).event_rating(event_id=event_id).count == 1


@pytest.mark.parametrize(
    "prepare",
    [
        lambda connection: setattr(connection, "cursor_factory", psycopg.ClientCursor),
        lambda connection: setattr(connection, "cursor_factory", psycopg.RawCursor),
        lambda connection: setattr(connection, "row_factory", dict_row),
        lambda connection: setattr(connection, "prepare_threshold", None),
        lambda connection: setattr(connection, "prepare_threshold", 0),
        lambda connection: connection.execute("SET DateStyle = 'German'"),
        lambda connection: connection.adapters.register_loader("timestamptz", TextLoader),
    ],
    ids=[
        *("client cursors", "raw cursors", "dict rows", "never prepared", "always prepared"),
        *("dates in German", "times as text"),
    ],
)
def test_settings_of_the_connection_do_not_matter(
    db: psycopg.Connection,
    event_id: int,
    user_id: int,
    prepare: Callable[[psycopg.Connection], None],
) -> None:
    prepare(db)
    for _ in range(3):
        _submit(db, event_id, user_id)
    assert Client(db).event_rating(event_id=event_id) == EventRating(event_id, Decimal(4), 1)


def test_a_hostile_search_path_does_not_matter(db: psycopg.Connection, event_id: int, user_id: int) -> None:
    db.execute("CREATE SCHEMA hostile")
    db.execute("CREATE TABLE hostile.feedback (x int)")
    db.execute("SET search_path = hostile")
    _submit(db, event_id, user_id)


def test_what_is_no_connection_of_the_kind_is_refused_at_once(db: psycopg.Connection, dsn: str) -> None:
    async def refused() -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            for client, wrong, needed in (
                (Client, connection, "psycopg.Connection"),
                (Client, dsn, "psycopg.Connection"),
                (AsyncClient, db, "psycopg.AsyncConnection"),
                (AsyncClient, None, "psycopg.AsyncConnection"),
            ):
                with pytest.raises(TypeError, match=f"^a {needed} is needed, not {type(wrong)}$"):
                    client(wrong)  # type: ignore[arg-type]

    asyncio.run(refused())


def _sqlalchemy_url(dsn: str) -> URL:
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    return URL.create("postgresql+psycopg", query={key: str(value) for key, value in parts.items()})


def test_inside_a_sqlalchemy_transaction(dsn: str, event_id: int, user_id: int) -> None:
    engine = sqlalchemy.create_engine(_sqlalchemy_url(dsn))
    try:
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            connection.execute(sqlalchemy.text("UPDATE events SET name = 'EuroPython'"))
            _submit(driver, event_id, user_id)
            counted = connection.execute(COUNT, {"event_id": event_id}).scalar()
            assert counted == 1
            connection.rollback()
        assert _count(dsn, event_id) == 0
        with engine.begin() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            _submit(driver, event_id, user_id)
        assert _count(dsn, event_id) == 1
    finally:
        engine.dispose()


def test_a_raw_write_through_sqlalchemy_meets_the_same_exception(dsn: str, event_id: int) -> None:
    engine = sqlalchemy.create_engine(_sqlalchemy_url(dsn))
    insert = sqlalchemy.text("INSERT INTO feedback (event_id, rating) VALUES (:event_id, 9)")
    try:
        with (
            engine.connect() as connection,
            pytest.raises(oeventdb.RatingInvalid) as caught,
            oeventdb.translated(),
        ):
            connection.execute(insert, {"event_id": event_id})
        assert isinstance(caught.value.__cause__, sqlalchemy.exc.DBAPIError)
    finally:
        engine.dispose()


def test_async_autocommit_transaction_and_pipeline(dsn: str, event_id: int, user_id: int) -> None:
    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            client = AsyncClient(connection)
            given = await client.submit_feedback(event_id=event_id, user_id=user_id, rating="4", comment=None)
            assert given.rating == 4
            assert _count(dsn, event_id) == 0
            await connection.rollback()
            await connection.set_autocommit(True)
            async with connection.pipeline() as pipeline:
                await client.submit_feedback(event_id=event_id, user_id=user_id, rating="2", comment=None)
                await pipeline.sync()
                with pytest.raises(oeventdb.NotFound):
                    await client.event_rating(event_id=-1)
                await pipeline.sync()
                assert (await client.event_rating(event_id=event_id)).average == 2

    asyncio.run(work())
    assert _count(dsn, event_id) == 1


def test_inside_an_async_sqlalchemy_transaction(dsn: str, event_id: int, user_id: int) -> None:
    async def work() -> None:
        engine = create_async_engine(_sqlalchemy_url(dsn))
        async with engine.connect() as connection:
            raw = await connection.get_raw_connection()
            driver = raw.driver_connection
            assert isinstance(driver, psycopg.AsyncConnection)
            await AsyncClient(driver).submit_feedback(
                event_id=event_id, user_id=user_id, rating="1", comment=None
            )
            counted = await connection.execute(COUNT, {"event_id": event_id})
            assert counted.scalar() == 1
            await connection.rollback()
        await engine.dispose()

    asyncio.run(work())
    assert _count(dsn, event_id) == 0
