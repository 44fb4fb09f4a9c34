"""Finding a Java new enough for Elasticsearch."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from oeventdb.servers import unprivileged

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST_MAJOR = 21

_VARIABLES = ("ES_JAVA_HOME", "JAVA_HOME")
_DIRECTORIES = ("/usr/lib/jvm/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home")
_RELEASE = re.compile(r'^JAVA_VERSION="(?:1\.)?(\d+)', re.MULTILINE)


def _candidates() -> Iterator[Path]:
    for variable in _VARIABLES:
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    for pattern in _DIRECTORIES:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)


def major_version(home: Path) -> int | None:
    """Return the major version of the Java in a directory, or None if there is none."""
    try:
        release = (home / "release").read_text()
    except OSError:
        return None
    found = _RELEASE.search(release)
    return int(found.group(1)) if found and (home / "bin" / "java").exists() else None


def java_home() -> Path | None:
    """Return the home of a Java that can run Elasticsearch, or None.

    ES_JAVA_HOME comes first, then JAVA_HOME, then what is installed in the usual places. One that
    only root can reach is copied to the cache, because the server does not run as root.
    """
    for home in _candidates():
        major = major_version(home)
        if major is None or major < OLDEST_MAJOR:
            continue
        if unprivileged.can_execute(home / "bin" / "java"):
            return home
        return unprivileged.readable_copy(home, f"java-{major}-{home.name}")
    return None
