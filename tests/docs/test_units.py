"""The units of systemd in the documentation: complete, and running commands that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from oeventdb.cli import main
from tests.cli.running import commands, run
from tests.docs import reading

DIRECTORY = "/etc/systemd/system/"
UNITS = {
    block.title.removeprefix(DIRECTORY): block.text
    for page in sorted(reading.DOCS.rglob("*.md"))
    for block in reading.blocks(page)
    if block.title.startswith(DIRECTORY)
}
SERVICES = {name: text for name, text in UNITS.items() if name.endswith(".service")}


def test_sync_reindex_verify_and_expire_orders_have_a_service_each() -> None:
    run_by = {name: _words(text)[0] for name, text in SERVICES.items()}
    assert sorted(run_by.values()) == ["expire-orders", "reindex", "sync", "verify"]
    timed = {name.replace(".timer", ".service") for name in UNITS if name.endswith(".timer")}
    assert timed == {name for name, command in run_by.items() if command != "sync"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_a_command_with_options_that_it_has(name: str) -> None:
    command, *options = _words(SERVICES[name])
    assert (command,) in commands()
    known = run(main, command, "--help").stdout
    assert [option for option in options if option.startswith("--") and option not in known] == []


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_needs_is_made_on_a_page(name: str) -> None:
    pages = "\n".join(page.read_text("utf-8") for page in sorted(reading.DOCS.rglob("*.md")))
    settings = re.findall("^EnvironmentFile=(.+)$", SERVICES[name], re.MULTILINE)
    homes = re.findall("^ExecStart=(.+)/bin/", SERVICES[name], re.MULTILINE)
    assert [path for path in settings if f"`{path}`" not in pages] == []
    assert [path for path in homes if f"    python3 -m venv {path}\n" not in pages] == []


def test_systemd_finds_nothing_wrong_with_them(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on this machine")
    for name, text in UNITS.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(re.sub(r"/opt/\S+/oeventdb", sys.executable, text))
    names = [str(tmp_path / name) for name in UNITS if not name.endswith(".conf")]
    done = subprocess.run(
        [program, "verify", *names],
        check=False,
        capture_output=True,
        text=True,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    assert (done.returncode, done.stderr) == (0, "")


def _words(service: str) -> list[str]:
    """Return what a service runs, without the program."""
    line: str
    [line] = re.findall(r"^ExecStart=(.+)$", service, re.MULTILINE)
    return line.split()[1:]
