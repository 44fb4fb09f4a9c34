"""Events that a policy hides from the owner of the tables are an error: they would be missing from the index."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema, search
from tests import samples

if TYPE_CHECKING:
    from pathlib import Path

    from tests.search.elastic import Elastic


def test_neither_a_rebuild_nor_sync_nor_verify_passes_over_what_a_policy_hides(
    owned: str, elastic: Elastic, tmp_path: Path
) -> None:
    schema.migrate(owned)
    with psycopg.connect(owned, autocommit=True) as connection:
        samples.event(connection, name="before")
        live = search.reindex(owned, elastic.url, alias=elastic.alias).index
        connection.execute("UPDATE public.events SET name = 'after'")
        connection.execute("ALTER TABLE public.events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        for attempt in (
            partial(search.reindex, owned, elastic.url, alias=elastic.alias),
            partial(search.export_to_file, owned, str(tmp_path / "events.ndjson")),
            partial(search.sync, owned, elastic.url, alias=elastic.alias, once=True),
            partial(search.verify, owned, elastic.url, alias=elastic.alias, repair=True),
        ):
            with pytest.raises(
                psycopg.errors.InsufficientPrivilege, match="row-level security policy for table"
            ):
                attempt()
        assert list(elastic.indices()) == elastic.behind() == [live]
        assert [document["name"] for _, document in elastic.documents().values()] == ["before"]
        connection.execute("ALTER TABLE public.events NO FORCE ROW LEVEL SECURITY")
        search.sync(owned, elastic.url, alias=elastic.alias, once=True)
        assert search.verify(owned, elastic.url, alias=elastic.alias).left == 0
