"""Commands that show what is wrong with a database, and what the migrations did about it."""

from __future__ import annotations

import click

from oeventdb import schema
from oeventdb.cli.database import transaction
from oeventdb.cli.exits import Exit
from oeventdb.cli.options import Settings, common_options
from oeventdb.cli.output import note, print_json, print_table, to_json
from oeventdb.cli.progress import progress_bars
from oeventdb.schema.audit import audit
from oeventdb.schema.journal import journal_list, journal_restore, journal_show

# Entries of the quarantine in a table, if nobody has asked for more: a person reads hardly so many.
_TABLE_ROWS = 1000


@click.command("audit")
@common_options
def audit_command(settings: Settings) -> int:
    """Count and list the rows that break a rule; write nothing.

    Works before anything is migrated, too. A few keys of the rows are shown for each rule.
    Exit status 3 when a rule is broken.

    \b
    Example:
      oeventdb audit --dsn postgresql://me@localhost/open_event
      oeventdb audit --json | jq '.[] | select(.violations > 0)'
    """
    with schema.connect(settings.dsn) as connection, progress_bars() as report:
        results = audit(connection, progress=report)
    broken = [result for result in results if result.violations]
    if settings.as_json:
        print_json(results)
    elif broken:
        print_table(
            ("table", "rule", "violations", "for example"),
            [(found.table, found.rule, found.violations, ", ".join(found.sample)) for found in broken],
        )
    kept = len(results) - len(broken)
    note(f"{len(broken)} of {len(results)} rules are broken" if broken else f"all {kept} rules are kept")
    return Exit.DIFFERS if broken else Exit.DONE


@click.group()
def quarantine() -> None:
    """Show what migrations removed or changed, and put it back.

    \b
    Example:
      oeventdb quarantine list --table ticket_holders
      oeventdb quarantine show 17
      oeventdb quarantine restore 17
    """


@quarantine.command("list")
@click.option(
    "--table", metavar="NAME", envvar="OEVENTDB_TABLE", show_envvar=True, help="Only what was in this table."
)
@click.option(
    "--migration",
    metavar="ID",
    envvar="OEVENTDB_MIGRATION",
    show_envvar=True,
    help="Only what this migration did; an id or the beginning of one, such as 0003.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 2**63 - 1),
    metavar="N",
    envvar="OEVENTDB_LIMIT",
    show_envvar=True,
    help="Only the first N entries.",
)
@common_options
def list_command(settings: Settings, table: str | None, migration: str | None, limit: int | None) -> None:
    """List what was removed or changed, oldest first.

    What has been put back is left out. A table ends after 1000 entries, unless --limit says
    otherwise; --json has them all.

    \b
    Example:
      oeventdb quarantine list --table ticket_holders --limit 20
      oeventdb quarantine list --migration 0003 --json
    """
    if migration is not None:
        migration = schema.find(schema.load(), migration).id
    with transaction(settings) as connection:
        most = limit if limit or settings.as_json else _TABLE_ROWS + 1
        entries = journal_list(connection, table=table, migration=migration, limit=most)
    if settings.as_json:
        wanted = ("id", "migration", "table", "key", "reason")
        print_json([{name: getattr(entry, name) for name in wanted} for entry in entries])
    elif entries:
        print_table(
            ("id", "migration", "table", "key", "reason"),
            [
                (entry.id, entry.migration, entry.table, entry.key, entry.reason)
                for entry in entries[: limit or _TABLE_ROWS]
            ],
        )
        if not limit and len(entries) > _TABLE_ROWS:
            note(f"only the first {_TABLE_ROWS} entries are shown: --limit N or --json shows more")
    else:
        which = "nothing" if table is None and migration is None else "nothing of that table or migration"
        note(f"{which} is in quarantine")


@quarantine.command("show")
@click.argument("journal_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@common_options
def show_command(settings: Settings, journal_id: int) -> None:
    """Show an entry: its whole old row, and what restoring it needs.

    \b
    Example:
      oeventdb quarantine show 17
      oeventdb quarantine show 17 --json | jq .old_row
    """
    with transaction(settings) as connection:
        entry = journal_show(connection, journal_id)
    if settings.as_json:
        print_json(entry)
        return
    # a lost claim, or a statement, is no row
    there = ", gone" if entry.current_row is None else ", still there"
    facts = [
        ("entry", f"{entry.id}, by {entry.migration} at {entry.journaled_at:%Y-%m-%d %H:%M:%S%z}"),
        ("row", f"{entry.table} {entry.key}{there if 'id' in entry.old_row else ''}"),
        ("reason", entry.reason),
        ("restoring", entry.needs),
    ]
    print_table(("", "what"), facts)
    current = entry.current_row or {}
    print_table(
        ("column", "was", "is"),
        [
            (column, _text(value), _text(current.get(column)))
            for column, value in entry.old_row.items()
            if value is not None or current.get(column) is not None
        ],
    )


def _text(value: object) -> str:
    """A value of a row, as a person reads it."""
    return value if isinstance(value, str) else "" if value is None else to_json(value)


@quarantine.command("restore")
@click.argument("journal_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@common_options
def restore_command(settings: Settings, journal_id: int) -> None:
    """Put a removed row, link or text back if the rules allow it now.

    Refused with the error of the rule otherwise; nothing is put back twice.

    \b
    Example:
      oeventdb quarantine restore 17
    """
    with transaction(settings) as connection:
        entry = journal_restore(connection, journal_id)
    if settings.as_json:
        print_json(entry)
    else:
        note(f"restored {entry.table} {entry.key}")
