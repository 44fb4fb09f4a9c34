"""Where the SQL and the sample data of this package are on disk."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def db_path() -> Path:
    """Return the directory with procedures/, migrations/ and audit/.

    An installed wheel carries it as oeventdb/db; in a checkout it is the db/ beside the package.
    Raises FileNotFoundError when neither is there, which means a broken installation.
    """
    for candidate in (_PACKAGE / "db", _PACKAGE.parent / "db"):
        if (candidate / "migrations").is_dir():
            return candidate
    raise FileNotFoundError(f"the SQL of oeventdb is missing from {_PACKAGE}; install it again")


def sample_data_path() -> Path:
    """Return the directory of the sample data that the demo loads."""
    return _PACKAGE / "demo" / "data"
