"""How the demo reads: a few short chapters, as wide as the terminal and no wider than one likes to read."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from oeventdb.demo.stage import Missing
from oeventdb.demo.story import Quarantined, Refusal, Sale, SoldOut
from oeventdb.schema.audit import AuditResult
from oeventdb.schema.journal import JournalEntry
from oeventdb.search import Exported, Reindexed

WIDEST = 110
"""Columns: longer lines are hard to read, however wide the terminal."""

IN_A_PIPE = 100
"""Columns where there is no terminal."""

NUMBERS = ("violations", "entries")
"""Columns that stand right."""

LONGEST = 10
"""Rows of a table that are shown; the rest are counted."""

_INDENT = (0, 0, 0, 3)


def story_console(*, quiet: bool) -> Console:
    """The console of a story on stdout; it says nothing when quiet."""
    width = None if sys.stdout.isatty() else IN_A_PIPE
    console = Console(file=sys.stdout, quiet=quiet, highlight=False, width=width)
    console.width = min(console.width, WIDEST)
    return console


class Storyteller:
    """Prints the chapters of the demo, each from the facts of its step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._chapter = 0

    def _begin(self, title: str) -> None:
        self._chapter += 1
        self._console.print()
        self._console.print(Text(f"{self._chapter}  {title}", style="bold"))

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Padding(Text(text, style=style), _INDENT, expand=False))

    def _table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, wide: str) -> None:
        """Print rows under columns; what does not fit is cut in `wide`, then in the widest of the others."""
        cells = [[f"{cell:,}" if isinstance(cell, int) else _line(cell) for cell in row] for row in rows]
        widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
        room = self._console.width - 3 - 3 * len(columns)
        table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False)
        first = columns.index(wide)
        second = max((place for place in range(len(columns)) if place != first), key=widths.__getitem__)
        for place in (first, second):
            # it gives way to the others, down to a few characters
            others = sum(widths) - widths[place]
            widths[place] = min(widths[place], max(12, room - others))
        for column, width in zip(columns, widths, strict=True):
            table.add_column(
                column,
                justify="right" if column in NUMBERS else "left",
                overflow="ellipsis",
                no_wrap=True,
                width=width,
            )
        for row in cells[:LONGEST]:
            table.add_row(*map(Text, row))
        self._console.print(Padding(table, _INDENT, expand=False))
        if len(cells) > LONGEST:
            self._say(f"... and {len(cells) - LONGEST} more", "dim")

    def legacy(self, server: str, rows: Mapping[str, int]) -> None:
        """The database before anything is done."""
        self._begin("A legacy database")
        self._say(f"On {server}: real conferences in the tables of Open Event, with years of dirt.")
        shown = ("events", "tickets", "orders", "ticket_holders", "discount_codes", "feedback")
        self._say(", ".join(f"{rows[table]:,} {table}" for table in shown))

    def audit(self, results: Sequence[AuditResult], sentences: Mapping[str, str]) -> None:
        """What is wrong with it."""
        broken = sorted((found for found in results if found.violations), key=lambda found: -found.violations)
        self._begin(f"oeventdb audit: {len(broken)} of {len(results)} rules are broken")
        self._table(
            ("violations", "table", "the rule"),
            [(found.violations, found.table, sentences[found.rule]) for found in broken],
            wide="the rule",
        )

    def migrated(self, applied: Sequence[str], seconds: float, left: Mapping[str, int]) -> None:
        """What the migrations did and what they leave to people."""
        self._begin(
            f"oeventdb migrate: {len(applied)} migrations in {seconds:.1f} s, while the tables stay in use"
        )
        self._say(", ".join(applied))
        self._say(
            f"The rules are now constraints. {sum(left.values()):,} old rows in {len(left)} audit rules are left for "
            "people to decide on; new rows have to obey."
        )

    def quarantine(self, found: Sequence[Quarantined]) -> None:
        """What was removed or changed."""
        self._begin("oeventdb quarantine: nothing is lost")
        self._table(
            ("entries", "table", "reason", "for example"),
            [
                (entry.reason.entries, entry.reason.table, entry.reason.reason, entry.example)
                for entry in found
            ],
            wide="for example",
        )

    def refused(self, ticket: SoldOut, refusal: Refusal) -> None:
        """A raw INSERT that would oversell a ticket."""
        self._begin(f"A raw INSERT tries to oversell {ticket.event.strip()}")
        self._say(
            f"Ticket {ticket.ticket_id}, {ticket.name}, admits {ticket.quantity} and has {ticket.quantity} holders."
        )
        self._console.print()
        prompt = "open_event=> "
        for number, line in enumerate(refusal.statement.splitlines()):
            self._say((prompt if number == 0 else "open_event-> ") + line)
        self._say(f"ERROR:  {refusal.sqlstate}: {refusal.message}", "red")
        if refusal.detail:
            self._say(f"DETAIL:  {refusal.detail}")
        if refusal.hint:
            self._say(f"HINT:  {refusal.hint}")

    def restored(self, entry: JournalEntry, holder: Mapping[str, Any]) -> None:
        """A holder who comes back once there is room."""
        self._begin(f"One seat more, and oeventdb quarantine restore {entry.id}")
        self._say(
            f"{holder['firstname']} {holder['lastname']}, whom the migration had removed, is back: "
            f"admission {holder['admission_no']}."
        )

    def sold(self, sale: Sale) -> None:
        """A small sale through the client."""
        self._begin(f"A small sale: two seats of {sale.event.strip()}, {sale.ticket}")
        placed = sale.placed
        self._say(f"client.place_order(..., discount_code={sale.code.lower()!r})", "dim")
        self._say(
            f"{sale.price} {placed.currency} a seat, 20 % off: {placed.amount:.2f} {placed.currency}, "
            f"{placed.status}, held until {placed.expires_at:%H:%M} UTC."
        )
        self._say(f"client.complete_order({placed.identifier!r})", "dim")
        seats = " and ".join(map(str, sale.admissions))
        self._say(f"{sale.completed.status}: admissions {seats}; {sale.left} are left.")

    def searched(
        self, engine: str, built: Reindexed, query: str, total: int, hits: Sequence[Mapping[str, Any]]
    ) -> None:
        """The index, and what a search finds in it."""
        self._begin(f"oeventdb reindex: {built.documents:,} published events in {built.seconds:.1f} s")
        self._say(
            f"On {engine}: index {built.index} behind the aliases {built.alias} and {built.alias}-public."
        )
        self._begin(f'oeventdb search "{query}": {total} events')
        self._table(
            ("event", "place", "starts"),
            [(hit["name"], hit["searchable_location_name"], str(hit["starts_at"])[:10]) for hit in hits],
            wide="event",
        )

    def no_elasticsearch(self, missing: Missing, exported: Exported) -> None:
        """The documents in a file, for want of an Elasticsearch."""
        self._begin(
            f"oeventdb reindex --to-file: {exported.documents:,} published events, without Elasticsearch"
        )
        self._say(f"{missing.reason}: the documents are in {exported.path}, ready for the bulk API.")
        self._say(f"To see the search as well, {missing.what_to_install}.")

    def end(self, seconds: float) -> None:
        """How long it took and where to go from here."""
        self._console.print()
        self._say(
            f"{seconds:.0f} s in all. On a database of yours: oeventdb audit --dsn postgresql://...", "dim"
        )


def _line(value: object) -> str:
    """A value on one line, without characters that a terminal would obey."""
    text = "" if value is None else " ".join(str(value).split())
    return "".join(character if character.isprintable() else "�" for character in text)
