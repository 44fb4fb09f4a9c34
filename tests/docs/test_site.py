"""The site has every page, every page is in its navigation, and nothing in it is of one machine only."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.docs import reading

if TYPE_CHECKING:
    from pathlib import Path

NAVIGATION = (reading.ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
PAGES = sorted(reading.DOCS.rglob("*.md"))


def test_every_page_is_in_the_navigation_and_the_other_way_round() -> None:
    named = re.findall(r"[\w/-]+\.md", NAVIGATION)
    assert sorted(named) == sorted(page.relative_to(reading.DOCS).as_posix() for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_one_title_and_no_fence_left_open(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.startswith("# ")
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) % 2 == 0
    outside = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^# ", outside, re.MULTILINE)) == 1


def test_links_of_the_readme_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (reading.ROOT / name).read_text("utf-8")):
            assert (reading.ROOT / target).exists(), f"{name}: {target}"


def test_the_page_of_the_tables_names_every_column_that_is_not_as_open_event_made_it() -> None:
    manifest = json.loads((reading.ROOT / "db/manifest.json").read_text("utf-8"))
    now, before = (
        {item["object"]: item["type"] for item in manifest[key] if item["kind"] == "column"}
        for key in ("objects", "legacy")
    )
    page = (reading.DOCS / "reference/tables.md").read_text("utf-8")
    sections = dict(part.split("\n", 1) for part in page.split("\n### ")[1:])
    for name in before.keys() | {name for name in now if name.startswith("public.")}:
        if now.get(name) != before.get(name):
            _, table, column = name.split(".")
            assert f"`{column}`" in sections[table].partition("| constraint |")[0], name
