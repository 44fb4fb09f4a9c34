"""The search index: built from PostgreSQL, swapped in whole, asked by words."""

from oeventdb.search.cluster import Cluster
from oeventdb.search.definition import Definition, load
from oeventdb.search.query import Found, Hit, search
from oeventdb.search.rebuild import Reindexed, reindex
from oeventdb.search.sync import WORKERS, Totals, sync
from oeventdb.search.to_file import Exported, export_to_file
from oeventdb.search.verify import Verified, verify

__all__ = [
    "WORKERS",
    "Cluster",
    "Definition",
    "Exported",
    "Found",
    "Hit",
    "Reindexed",
    "Totals",
    "Verified",
    "export_to_file",
    "load",
    "reindex",
    "search",
    "sync",
    "verify",
]
