"""Write db/manifest.json, the catalog of a release, from a freshly migrated database.

With --check it writes nothing, and fails where the file is not what the migrations install.
"""

from __future__ import annotations

import re

from oeventdb import schema
from oeventdb.schema import catalog, manifest
from oeventdb.servers.postgres import find_postgres
from tools.generated import ROOT, parser, put

# Foreign keys that stay NOT VALID where old rows refer to what is gone.
_MAY_STAY_UNVALIDATED = re.compile(r"oeventdb_internal\.validate_reference\('([\w.]+)', '(\w+)'\)")

TARGET = ROOT / "db" / "manifest.json"


def generate(dsn: str) -> str:
    """Migrate an empty database and return the text of the manifest."""
    migrations = schema.load()
    schema.migrate(dsn, to=migrations[0].id)
    with schema.connect(dsn) as connection:
        legacy = catalog.read(connection)
    schema.migrate(dsn)
    with schema.connect(dsn) as connection:
        objects = catalog.read(connection)
    texts = "".join(statement.text for m in migrations for statement in m.apply.statements)
    excused = {".".join(names) for names in _MAY_STAY_UNVALIDATED.findall(texts)}
    for thing in objects.values():
        if thing.definition.get("validated") == "no" or thing.object in excused:
            # whether it is validated is for those to decide who have mended their rows
            thing.definition.pop("validated", None)
    return manifest.dump(migrations[-1].id, objects, legacy)


def main() -> None:
    """Write or compare the manifest."""
    options = parser(__doc__).parse_args()
    with find_postgres() as server:
        text = generate(server.dsn)
    put({TARGET: text}, check=options.check, target="manifest")


if __name__ == "__main__":
    main()
