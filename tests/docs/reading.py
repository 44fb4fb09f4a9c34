"""What a page of the documentation asks its reader to run, and what it promises to come of it."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r'^(?P<indent> *)```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?$')
_TAB = re.compile(r'^ *===\+? "(?P<title>[^"]+)"$')
_PROMPT = re.compile(r"^\w+[=(-][>#] ?")
_PRINTED = re.compile(r"^\s*print\(.*\)\s+# (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the title of the tab it is in, its own title, its text."""

    language: str
    tab: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, from the top."""
    found, tab, lines = [], "", iter(page.read_text("utf-8").splitlines())
    for line in lines:
        if title := _TAB.match(line):
            tab = title["title"]
        elif fence := _FENCE.match(line):
            inside = []
            for line in lines:
                if line.strip() == "```":
                    break
                inside.append(line)
            text = textwrap.dedent("\n".join(inside)) + "\n"
            found.append(Block(fence["language"], tab if fence["indent"] else "", fence["title"] or "", text))
    return found


def statements(session: str) -> str:
    """What was typed in a session of psql: what follows the prompts."""
    typed = [_PROMPT.sub("", line) for line in session.splitlines() if _PROMPT.match(line)]
    return "\n".join(typed) + "\n"


def answers(session: str) -> str:
    """What psql answered: what does not."""
    return "\n".join(
        line.rstrip() for line in session.splitlines() if line.strip() and not _PROMPT.match(line)
    )


def printed(code: str) -> list[str]:
    """What the comments after print(...) say it prints."""
    return [text.strip() for text in _PRINTED.findall(code)]
