"""Open Event's routes over the functions of the database, as a Flask blueprint (JSON:API).

For example::

    pool = ConnectionPool(dsn, open=True)
    app = Flask(__name__)
    users = oeventdb.flask.bearer_tokens(key)
    app.register_blueprint(oeventdb.flask.blueprint(pool.connection, users=users))

The role of the connections needs ``oeventdb grant app ROLE`` and ``oeventdb grant reader ROLE``.
"""

from __future__ import annotations

try:
    from oeventdb.flask.access import Policy, User, Users, bearer_tokens
    from oeventdb.flask.problems import Problem
    from oeventdb.flask.routes import blueprint
except ModuleNotFoundError as exc:
    raise ModuleNotFoundError(f"{exc}: install oeventdb[flask]", name=exc.name) from exc

__all__ = ["Policy", "Problem", "User", "Users", "bearer_tokens", "blueprint"]
