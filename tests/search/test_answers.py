"""What Elasticsearch answers, or does not, is told in one line."""

from __future__ import annotations

import pytest

from oeventdb import search
from oeventdb.errors import SearchUnavailable


def test_an_address_with_colons_is_told_in_brackets() -> None:
    with (
        search.Cluster("http://[::1]:1") as cluster,
        pytest.raises(SearchUnavailable, match=r"no answer from http://\[::1\]:1: "),
    ):
        cluster.request("GET", "/")
