"""What the generators have in common: their command line, and files that are written or compared."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return the options of every generator."""
    options = argparse.ArgumentParser(description=(description or "").split("\n", 1)[0])
    options.add_argument("--check", action="store_true", help="write nothing; fail if a file would change")
    return options


def put(texts: Mapping[Path, str], *, check: bool, target: str) -> None:
    """Write files; with `check` exit where they differ, and say how and which target of make writes them."""
    stale = ""
    for path, text in texts.items():
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            continue
        old = path.read_text("utf-8") if path.exists() else ""
        name = path.relative_to(ROOT).as_posix()
        lines = (old.splitlines(keepends=True), text.splitlines(keepends=True))
        stale += "".join(difflib.unified_diff(*lines, name, f"{name} (new)"))
    if stale:
        sys.exit(f"{stale}These are out of date: make {target}")
