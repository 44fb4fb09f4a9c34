"""The demo: the main job end to end, on real conferences, in under a minute."""

from __future__ import annotations

import click
from click.core import ParameterSource

from oeventdb.cli.options import Settings, common_options
from oeventdb.cli.output import print_json


@click.command()
@common_options
def demo(settings: Settings) -> None:
    """Show the main job end to end, in under a minute.

    6,000 real conferences become a dirty legacy database; it is audited and migrated, a sale too
    many is refused, and the events are indexed and searched. Uses an embedded PostgreSQL and a
    found Elasticsearch; on servers that are named it makes a database and an index of its own
    and removes both again.

    \b
    Example:
      oeventdb demo
      oeventdb demo --json | jq .refused
    """
    # what only the demo needs takes a while to import, and every command would wait for it
    from oeventdb.cli.acts import perform

    told = perform(
        dsn=settings.given_dsn,
        elasticsearch_url=_named_elasticsearch(settings),
        alias=settings.alias,
        api_key=settings.elasticsearch_api_key,
        quiet=settings.as_json,
    )
    if settings.as_json:
        print_json(told)


def _named_elasticsearch(settings: Settings) -> str | None:
    """The URL of Elasticsearch if somebody gave one; the default of the option is nobody's choice."""
    source = click.get_current_context().get_parameter_source("elasticsearch_url")
    return None if source in {ParameterSource.DEFAULT, None} else settings.elasticsearch_url
