"""check, adopt, grant: a live catalog against this release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from oeventdb import schema
from oeventdb.cli.database import transaction
from oeventdb.cli.exits import Exit
from oeventdb.cli.options import common_options
from oeventdb.cli.output import note, print_json, print_table

if TYPE_CHECKING:
    from oeventdb.cli.options import Settings


@click.command()
@common_options
def check(settings: Settings) -> int:
    """Compare the live catalog with what this release installs.

    Functions, constraints, triggers, indexes, columns and grants are compared; each difference
    is shown with what the release has (-) and what the database has (+). Exit status 3 when
    there is any.

    \b
    Example:
      oeventdb check
      oeventdb check --json
    """
    with transaction(settings, read_only=True) as connection:
        differences = schema.check(connection)
        pending = schema.pending(connection)
    if settings.as_json:
        print_json(differences)
    else:
        for difference in differences:
            click.echo(f"{difference.state} {difference.kind} {difference.object}")
            for line in difference.diff.splitlines():
                click.echo(f"    {line}")
        behind = (
            f"; {len(pending)} pending: what they change is among them (oeventdb status)" if pending else ""
        )
        note(f"{len(differences)} differences{behind}" if differences else "the database is as released")
    return int(Exit.DIFFERS if differences else Exit.DONE)


@click.command()
@common_options
def adopt(settings: Settings) -> None:
    """Take over an existing Open Event database.

    Verifies that it has Open Event's tables and marks the first migration as applied; nothing
    else is written, and tables of other purposes are left alone. Refuses with the list of
    differences otherwise. Then run `oeventdb migrate`.

    \b
    Example:
      oeventdb audit
      oeventdb adopt
      oeventdb migrate
    """
    with transaction(settings) as connection:
        adopted = schema.adopt(connection)
    if settings.as_json:
        print_json(adopted)
        return
    print_table(["table", "rows (estimate)"], list(adopted.tables.items()))
    for remark in adopted.notes:
        note(remark)
    note(f"{adopted.other_tables} other tables in schema public stay untouched")
    note(f"{adopted.migration} is marked as applied; next: oeventdb migrate")


@click.command()
@click.argument("kind", type=click.Choice(schema.KINDS))
@click.argument("role")
@common_options
def grant(settings: Settings, kind: str, role: str) -> None:
    """Give ROLE the least privileges of a kind.

    app: call the functions of the API, and no table. reader: SELECT, but for passwords, tokens
    and the like. search: what reindex, sync and verify need. Given again after each migrate.

    \b
    Example:
      oeventdb grant app open_event_web
      oeventdb grant reader analytics
    """
    with transaction(settings) as connection:
        done = schema.grant(connection, kind, role)
    if settings.as_json:
        print_json({"kind": kind, "role": role, "granted": done})
        return
    for statement in done:
        click.echo(f"{statement};")
    note(f"{role} has the privileges of {kind}" + ("" if done else " already"))
