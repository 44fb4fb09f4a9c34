"""What DBAs use: the migration runner, the ledger, adopt, audit, the journal, check and grants."""

from oeventdb.connection import connect
from oeventdb.schema.adopt import Adoption, NotAdoptable, adopt
from oeventdb.schema.audit import AuditResult, audit
from oeventdb.schema.check import Difference, check
from oeventdb.schema.grants import KINDS, grant
from oeventdb.schema.journal import journal_list, journal_restore, journal_show
from oeventdb.schema.runner import PATIENCE, load, migrate, rollback
from oeventdb.schema.scripts import Migration, find
from oeventdb.schema.status import Applied, FunctionVersion, Status, pending, status
from oeventdb.schema.worker import MigrationFailed

__all__ = [
    "KINDS",
    "PATIENCE",
    "Adoption",
    "Applied",
    "AuditResult",
    "Difference",
    "FunctionVersion",
    "Migration",
    "MigrationFailed",
    "NotAdoptable",
    "Status",
    "adopt",
    "audit",
    "check",
    "connect",
    "find",
    "grant",
    "journal_list",
    "journal_restore",
    "journal_show",
    "load",
    "migrate",
    "pending",
    "rollback",
    "status",
]
