"""The site has every page, every page is in its navigation, and nothing in it is of one machine only."""

from __future__ import annotations

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
