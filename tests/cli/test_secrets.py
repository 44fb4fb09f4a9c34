"""Whatever fails, what is printed and logged has no secrets."""

from __future__ import annotations

import logging

import pytest

from oeventdb import errors
from oeventdb.cli import main
from oeventdb.cli.options import Settings
from tests.cli.running import one_line, raising, run, showing

SECRET = "s3cr/et@:x"
UNSENDABLE = {"OEVENTDB_ELASTICSEARCH_API_KEY": "s3cr\té\n"}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"PGPASSWORD": SECRET}, f"it was {SECRET}"),
        ({"OEVENTDB_ELASTICSEARCH_API_KEY": SECRET}, f"it was {SECRET}"),
        (UNSENDABLE, "in one line: s3cr é"),
        (UNSENDABLE, "as text: " + repr("s3cr\té")),
        (UNSENDABLE, "as bytes: " + repr("s3cr\té".encode())),
        ({"OEVENTDB_DSN": f"host=x password='{SECRET}'"}, f"it was {SECRET}"),
        ({"OEVENTDB_DSN": "postgresql://me:s3cr%2Fet%40%3Ax@h/d"}, "s3cr%2Fet%40%3Ax or " + SECRET),
        ({"OEVENTDB_ELASTICSEARCH_URL": "http://me:s3cr%2Fet%40%3Ax@h:1"}, SECRET),
        ({"OEVENTDB_ELASTICSEARCH_URL": "http://s3cr:s3cr@h:1"}, "Authorization: Basic czNjcjpzM2Ny"),
        ({}, "http://me:s3cr@h:1/ refused"),
        ({}, "connecting with password=s3cr failed"),
        ({"OEVENTDB_DSN": "postgresql://me:s3cr@h:5432:x/d"}, 'invalid integer value "s3cr@h" for port'),
    ],
)
def test_secrets_are_never_printed(environment: dict[str, str], message: str) -> None:
    result = run(raising(errors.Refused(message)), "go", **environment)
    assert "s3cr" not in result.output
    assert "czNj" not in result.output
    assert "***" in one_line(result)


def test_secrets_are_not_logged_either() -> None:
    def log(settings: Settings) -> None:
        logging.getLogger("oeventdb.search").warning("refused: %s, %s", settings.given_dsn, "ApiKey k3y")

    result = run(showing(log), "go", "--dsn=host=x password=s3cr", OEVENTDB_ELASTICSEARCH_API_KEY="k3y")
    assert result.stderr == "refused: host=x password=***, ApiKey ***\n"


def test_a_secret_of_blanks_masks_no_blank() -> None:
    result = run(raising(errors.Refused("all is well")), "go", OEVENTDB_ELASTICSEARCH_API_KEY=" ")
    assert one_line(result) == "refused: all is well"


@pytest.mark.parametrize("key", ["s3cr\tet", "s3cr\x01et", "s3cr\net", "s3cré", "s3cr€"])
def test_an_api_key_that_cannot_be_sent_is_one_line_without_it(key: str) -> None:
    result = run(
        main,
        *("search", "x", "--elasticsearch-url", "http://127.0.0.1:1"),
        OEVENTDB_ELASTICSEARCH_API_KEY=key,
    )
    assert result.exit_code == 5
    assert "the API key for Elasticsearch cannot be read" in one_line(result)
    assert "s3cr" not in result.output


def test_white_space_around_an_api_key_is_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oeventdb.search.query._PATIENCE", 0.2)
    result = run(
        main,
        *("search", "x", "--elasticsearch-url", "http://127.0.0.1:1"),
        OEVENTDB_ELASTICSEARCH_API_KEY=" s3cret\r\n",
    )
    assert "no answer from" in one_line(result)


@pytest.mark.parametrize(
    "dsn", ["caf\udce9", "postgresql://me:s3cr\udce9@localhost/x", "password=s3cr\udce9"]
)
def test_a_dsn_in_another_encoding_is_one_line_without_its_secret(dsn: str) -> None:
    result = run(main, "status", "--dsn", dsn)
    assert result.exit_code == 4
    assert one_line(result).startswith("postgresql: the DSN cannot be read")
    assert "s3cr" not in result.output


def test_a_secret_given_as_an_option_is_masked_too() -> None:
    result = run(raising(errors.Refused("it was hunter2")), "go", "--dsn=host=x password=hunter2")
    assert one_line(result) == "refused: it was ***"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("status", "--dsn", "postgresql://postgres:postgres@127.0.0.1:1/x"), "postgresql: "),
        (("search", "x", "--elasticsearch-url", "http://elastic:elastic@127.0.0.1:1"), "elasticsearch: "),
    ],
    ids=["postgresql", "elasticsearch"],
)
def test_a_failure_is_of_its_kind_whatever_the_password_is(
    words: tuple[str, ...], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.search.query._PATIENCE", 0.2)
    assert one_line(run(main, *words)).startswith(kind)
