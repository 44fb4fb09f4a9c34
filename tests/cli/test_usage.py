"""Every failure of a command is one line on stderr, an exit status, and no traceback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import psycopg
import pytest
from elastic_transport import ConnectionError as NotListening

from oeventdb import errors
from oeventdb.cli import main
from tests.cli.running import commands, one_line, raising, run, showing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("exception", "status", "line"),
    [
        (errors.Refused("no"), 1, "refused: no"),
        (errors.Refused("no", hint="say yes"), 1, "refused: no (say yes)"),
        (errors.DatabaseUnreachable("gone"), 4, "postgresql: gone"),
        (errors.SearchUnavailable("gone"), 5, "elasticsearch: gone"),
        (errors.SoldOut("none left", hint="wait"), 1, "OE101: none left (wait)"),
        (
            psycopg.OperationalError("server closed"),
            4,
            "postgresql: server closed (run the command again when the server answers)",
        ),
        (psycopg.errors.AdminShutdown("bye"), 4, "57P01: bye"),
        (
            psycopg.errors.InsufficientPrivilege("no\nright"),
            1,
            "42501: no right (connect as the owner, or have the owner give this role what `oeventdb grant` does)",
        ),
        (psycopg.errors.InvalidPassword("wrong"), 4, "28P01: wrong"),
        (NotListening("refused"), 5, "elasticsearch: Connection error"),
        (FileNotFoundError(2, "No such file or directory", "/x"), 1, "error: No such file or directory: /x"),
        (
            UnicodeEncodeError("utf-8", "caf\udce9", 3, 4, "surrogates"),
            2,
            "usage: an option or argument is not UTF-8",
        ),
        (ZeroDivisionError("oops"), 1, "internal error: ZeroDivisionError: oops"),
        (click.UsageError("bad"), 2, "usage: bad"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_a_failure_is_one_line_and_its_exit_status(exception: Exception, status: int, line: str) -> None:
    result = run(raising(exception), "go")
    assert result.exit_code == status
    assert one_line(result).startswith(line)


def test_an_interrupt_ends_quietly() -> None:
    result = run(raising(KeyboardInterrupt()), "go")
    assert (result.exit_code, result.stderr.strip()) == (130, "interrupted")


@pytest.mark.usefixtures("hangup")
@pytest.mark.parametrize(
    ("number", "status", "word"),
    [
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 143, "terminated"),
        (signal.SIGINT, 130, "interrupted"),
    ],
)
def test_a_signal_lets_a_command_clean_up(number: signal.Signals, status: int, word: str) -> None:
    script = (
        "import click, time; from oeventdb.cli import CommandLine\n"
        "@click.group(cls=CommandLine)\n"
        "def group(): pass\n"
        "@group.command()\n"
        "def go():\n"
        "    try:\n"
        "        click.echo('started')\n"
        # not one long sleep: a signal that comes right before it is told after it
        "        while True: time.sleep(0.01)\n"
        "    finally:\n"
        "        click.echo('cleaned up')\n"
        "group(['go'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err.strip()) == (status, "cleaned up\n", word)


@pytest.mark.usefixtures("hangup")
def test_nohup_keeps_a_command_running_when_its_terminal_is_closed() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    result = run(showing(lambda _: signal.raise_signal(signal.SIGHUP)), "go")
    assert result.exit_code == 0


def test_a_command_leaves_the_handling_of_signals_as_it_was() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    run(showing(lambda settings: settings.alias), "go")
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


def test_without_a_dsn_a_command_refuses_and_says_how_to_give_one() -> None:
    result = run(showing(lambda settings: settings.dsn), "go")
    assert result.exit_code == 2
    line = one_line(result)
    assert "--dsn" in line
    assert "OEVENTDB_DSN" in line
    assert "embedded:DIR" in line


def test_an_empty_dsn_is_none() -> None:
    assert run(showing(lambda settings: settings.dsn), "go", OEVENTDB_DSN="").exit_code == 2


def test_an_option_wins_over_the_environment() -> None:
    command = showing(lambda settings: settings.dsn)
    assert run(command, "go", OEVENTDB_DSN="dbname=a").stdout == "dbname=a\n"
    assert run(command, "go", "--dsn", "dbname=b", OEVENTDB_DSN="dbname=a").stdout == "dbname=b\n"


def test_an_api_key_is_taken_from_the_environment_only() -> None:
    command = showing(lambda settings: settings.elasticsearch_api_key)
    assert run(command, "go", OEVENTDB_ELASTICSEARCH_API_KEY="key").stdout == "key\n"
    assert run(command, "go", "--elasticsearch-api-key", "key").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["--nonsense"], "No such option"),
    ],
)
def test_a_usage_error_is_one_line_with_the_way_to_help(arguments: list[str], message: str) -> None:
    result = run(main, *arguments)
    assert result.exit_code == 2
    line = one_line(result)
    assert message in line
    assert line.startswith("usage: ")
    assert "--help)" in line


def test_no_arguments_show_the_help() -> None:
    result = run(main)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


@pytest.mark.parametrize("words", [(), ("quarantine",)], ids=["oeventdb", "oeventdb quarantine"])
def test_what_a_command_does_is_said_whole_within_80_columns(words: tuple[str, ...]) -> None:
    listed = run(main, *words, "--help", COLUMNS="80").stdout.partition("\nCommands:\n")[2].splitlines()
    assert listed
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []


@pytest.mark.parametrize("words", [pytest.param(words, id=" ".join(words)) for words in commands()])
def test_the_help_of_every_command_has_an_example_and_its_variables(words: tuple[str, ...]) -> None:
    result = run(main, *words, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.stdout
    assert f"oeventdb {' '.join(words)}" in result.stdout
    options = [line for line in result.stdout.splitlines() if line.strip().startswith("--")]
    assert options
    for option in ("--dsn", "--elasticsearch-url", "--alias", "--json", "-v"):
        assert option in result.stdout
    for variable in ("OEVENTDB_DSN", "OEVENTDB_ELASTICSEARCH_URL", "OEVENTDB_ALIAS"):
        assert variable in result.stdout


@pytest.mark.parametrize("words", [pytest.param(words, id=" ".join(words)) for words in commands()])
def test_every_option_of_every_command_has_a_variable_in_its_help(words: tuple[str, ...]) -> None:
    lines = run(main, *words, "--help", COLUMNS="100").stdout.split("Options:", 1)[1]
    entries = re.split(r"\n {2,6}(?=-)", lines)[1:]
    silent = [entry.strip() for entry in entries if "env var:" not in " ".join(entry.split())]
    assert [entry.split()[0] for entry in silent] == ["-h,"]


@pytest.mark.parametrize("words", [pytest.param(words, id=" ".join(words)) for words in commands()])
def test_the_value_of_every_option_says_what_it_is(words: tuple[str, ...]) -> None:
    options = run(main, *words, "--help").stdout.split("Options:", 1)[1]
    assert re.findall(r"^ +(?:-\w, )?(--[\w-]+) (?:TEXT|INTEGER|FLOAT)\b", options, re.MULTILINE) == []


@pytest.mark.parametrize("words", [pytest.param(words, id=" ".join(words)) for words in commands()])
def test_every_variable_of_every_command_is_one_that_a_shell_can_set(words: tuple[str, ...]) -> None:
    command: click.Command | None = main
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert options
    for option in options:
        assert re.fullmatch(r"OEVENTDB_[A-Z0-9_]+", str(option.envvar))
        assert str(option.envvar).endswith(option.opts[-1].removeprefix("--").replace("-", "_").upper())


@pytest.mark.parametrize("words", [pytest.param(words, id=" ".join(words)) for words in commands()])
def test_an_unknown_option_of_every_command_is_a_usage_error(words: tuple[str, ...]) -> None:
    result = run(main, *words, "--nonsense")
    assert result.exit_code == 2
    assert "--nonsense" in one_line(result)


@pytest.mark.parametrize(("closed", "said"), [("1>&-", True), ("2>&-", False)])
def test_a_closed_stream_stops_no_command(closed: str, *, said: bool) -> None:
    command = f'exec "$0" -m oeventdb migrate --json --dsn "$1" {closed}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, "host=/nowhere"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr.startswith("postgresql: ") is said


@pytest.mark.parametrize("unwritable", ["a full disk", "a pipe that nobody reads"])
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("status", "--dsn", "host=/nowhere"), 4),
        (("status",), 2),
        (("quarantine",), 2),
        (("expire-orders", "--json", "--dsn"), 0),
        (("expire-orders", "--dsn"), 0),
    ],
)
def test_what_cannot_be_said_changes_no_status(
    migrated: str, words: tuple[str, ...], status: int, unwritable: str
) -> None:
    if unwritable == "a full disk":
        stderr = os.open("/dev/full", os.O_WRONLY)
    else:
        read, stderr = os.pipe()
        os.close(read)
    arguments = [*words, migrated] if words[-1] == "--dsn" else words
    try:
        done = subprocess.run(
            [sys.executable, "-m", "oeventdb", *arguments],
            check=False,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    finally:
        os.close(stderr)
    assert done.returncode == status
    assert done.stdout == (b'{\n  "expired": 0\n}\n' if "--json" in words else b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_data_that_stdout_takes_a_part_of_is_a_failure(
    migrated: str, unbuffered: str, tmp_path: Path
) -> None:
    # as on a disk that is getting full
    command = 'ulimit -f 2; exec "$0" -m oeventdb status --json --dsn "$1"'
    with (tmp_path / "status.json").open("wb") as file:
        done = subprocess.run(
            ["sh", "-c", command, sys.executable, migrated],
            check=False,
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert (done.returncode, done.stderr) == (1, "error: File too large\n")


def test_the_log_of_a_library_is_not_shown() -> None:
    code = (
        "import logging\nfrom oeventdb.cli import main\n"
        "try:\n    main(['status'])\nfinally:\n    logging.getLogger('psycopg').warning('error ignored in rollback')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "oeventdb", "--version"], check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith("oeventdb, version ")


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (("--version",), {"elastic_transport", "yoyo", "rich"}),
        (("audit", "--help"), {"elastic_transport", "rich"}),
        (("migrate", "--help"), {"elastic_transport", "rich"}),
        (("reindex", "--help"), {"oeventdb.schema", "yoyo", "rich"}),
    ],
    ids=["--version", "audit", "migrate", "reindex"],
)
def test_a_command_imports_nothing_that_only_others_need(words: tuple[str, ...], unwanted: set[str]) -> None:
    code = "import sys\nfrom oeventdb.cli import main\nmain(sys.argv[1:], standalone_mode=False)\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines())
    assert "oeventdb.cli" in loaded
    assert loaded & unwanted == set()


def test_a_command_that_there_is_not_is_answered_with_one_that_is_like_it() -> None:
    line = one_line(run(main, "migrat"))
    assert "'migrat'" in line
    assert "'migrate'" in line
