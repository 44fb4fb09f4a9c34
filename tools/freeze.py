"""Keep the frozen copies in migrations and the files they are copies of in step.

    python tools/freeze.py --check      fail where a copy, a file or a released migration differs
    python tools/freeze.py --refresh    copy the files again into the migrations not released yet
    python tools/freeze.py --release    check, and list every migration as released
    python tools/freeze.py new NAME     write the next migration, freezing every changed file

Migrations that are released stand with their hashes in db/migrations/released.json.
The newest migration that holds a file has to equal it. A rollback holds the copy that the
migration before it left, or a DROP where there was none.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from oeventdb.schema import frozen, scripts

ROOT = Path(__file__).resolve().parent.parent
_CREATES = re.compile(
    r"^CREATE (?:OR REPLACE )?(?P<kind>FUNCTION|PROCEDURE|VIEW|AGGREGATE) (?P<name>[\w.\"]+)",
    re.MULTILINE,
)
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass
class Tree:
    """The db directory: scripts are text by migration id, files by path as in the markers."""

    db: Path
    ids: list[str] = field(default_factory=list)
    apply: dict[str, str] = field(default_factory=dict)
    rollback: dict[str, str] = field(default_factory=dict)
    released: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, db: Path) -> Tree:
        """Read every migration; a missing rollback is an empty one."""
        tree = cls(db)
        for path in sorted((db / "migrations").glob("*.sql")):
            if path.name.endswith(".rollback.sql"):
                tree.rollback[path.name.removesuffix(".rollback.sql")] = path.read_text("utf-8")
            else:
                tree.ids.append(path.stem)
                tree.apply[path.stem] = path.read_text("utf-8")
        if tree.listing.exists():
            tree.released = json.loads(tree.listing.read_text("utf-8"))
        return tree

    @property
    def listing(self) -> Path:
        """Return the file that lists the released migrations."""
        return self.db / "migrations" / "released.json"

    def path(self, migration: str, *, rollback: bool = False) -> Path:
        """Return the file of a migration or of its rollback."""
        return self.db / "migrations" / f"{migration}{'.rollback' if rollback else ''}.sql"

    def file(self, marked: str) -> Path:
        """Return the file a marker names: 'db/procedures/...' below the db directory."""
        return self.db / Path(marked).relative_to("db")

    def procedures(self) -> list[str]:
        """Return every file of db/procedures as a marker names it."""
        return sorted(
            f"db/{path.relative_to(self.db).as_posix()}" for path in (self.db / "procedures").rglob("*.sql")
        )

    def holders(self, marked: str) -> list[tuple[str, str]]:
        """Return (migration, copy) of every migration that froze the file, oldest first."""
        return [
            (migration, block.text)
            for migration in self.ids
            for block in frozen.blocks(self.apply[migration])
            if block.path == marked
        ]

    def before(self, marked: str, migration: str) -> str | None:
        """Return the copy that the migrations before this one left, None if there is none."""
        earlier = [text for holder, text in self.holders(marked) if holder < migration]
        return earlier[-1] if earlier else None

    def marked(self) -> list[str]:
        """Return every file that some migration freezes and no later one says is gone."""
        alive: dict[str, None] = {}
        for migration in self.ids:
            for path in frozen.gone(self.apply[migration]):
                alive.pop(path, None)
            for block in frozen.blocks(self.apply[migration]):
                alive[block.path] = None
        return sorted(alive)


def content_hash(tree: Tree, migration: str) -> str:
    """Return the hash by which the ledger knows a migration and its rollback."""
    paths = (tree.path(migration), tree.path(migration, rollback=True))
    return scripts.content_hash(*(p.read_bytes() if p.exists() else b"" for p in paths))


def drop_statement(text: str) -> str:
    """Return the DROP for what a file of db/procedures creates."""
    found = _CREATES.search(text)
    if not found:
        raise SystemExit("freeze: a file creates neither function, procedure, view nor aggregate")
    return f"DROP {found['kind']} IF EXISTS {found['name']};\n"


def _check_blocks(tree: Tree, migration: str) -> list[str]:
    """Compare the copies of one migration and its rollback with what they are copies of."""
    problems = []
    for block in frozen.blocks(tree.apply[migration]):
        newest = tree.holders(block.path)[-1][0]
        if newest != migration or block.path not in tree.marked():
            continue
        file = tree.file(block.path)
        if not file.exists():
            problems.append(f"{migration} holds {block.path}, which does not exist")
        elif file.read_text("utf-8") != block.text:
            problems.append(
                f"{block.path} differs from its copy in {migration}: "
                + ("make migration name=..." if migration in tree.released else "make refresh")
            )
    for block in frozen.blocks(tree.rollback.get(migration, "")):
        previous = tree.before(block.path, migration)
        if previous is None and not block.text.startswith("DROP "):
            problems.append(f"{migration}.rollback does not DROP what {block.path} created")
        if previous is not None and block.text != previous:
            problems.append(f"{migration}.rollback does not put back the copy of {block.path}")
    return problems


def check(tree: Tree) -> list[str]:
    """Return what is wrong, one line each; nothing when all is in step."""
    problems = []
    for migration in tree.ids:
        try:
            problems += _check_blocks(tree, migration)
        except frozen.MarkerError as error:
            problems.append(f"{migration}: {error}")
    if problems:
        return problems
    marked = tree.marked()
    problems += [f"{path} is in no migration" for path in tree.procedures() if path not in marked]
    problems += [
        f"{migration} is released and must not change"
        for migration, released in tree.released.items()
        if content_hash(tree, migration) != released
    ]
    return problems


def refresh(tree: Tree) -> list[str]:
    """Copy the files into the newest unreleased migration that holds each; return what changed."""
    changed = []
    for migration in tree.ids:
        if migration in tree.released:
            continue
        texts = {
            block.path: tree.file(block.path).read_text("utf-8")
            for block in frozen.blocks(tree.apply[migration])
            if tree.holders(block.path)[-1][0] == migration and tree.file(block.path).exists()
        }
        script = frozen.replace(tree.apply[migration], texts)
        if script != tree.apply[migration]:
            tree.apply[migration] = script
            tree.path(migration).write_text(script, "utf-8")
            changed.append(migration)
        changed += _refresh_rollback(tree, migration)
    return changed


def _refresh_rollback(tree: Tree, migration: str) -> list[str]:
    script = tree.rollback.get(migration, "")
    texts = {}
    for block in frozen.blocks(script):
        previous = tree.before(block.path, migration)
        if previous is not None:
            texts[block.path] = previous
        elif not block.text.startswith("DROP "):
            texts[block.path] = drop_statement(tree.file(block.path).read_text("utf-8"))
    renewed = frozen.replace(script, texts)
    if renewed == script:
        return []
    tree.rollback[migration] = renewed
    tree.path(migration, rollback=True).write_text(renewed, "utf-8")
    return [f"{migration}.rollback"]


def release(tree: Tree) -> None:
    """List every migration as released, as it is."""
    hashes = {migration: content_hash(tree, migration) for migration in tree.ids}
    tree.listing.write_text(json.dumps(hashes, indent=2) + "\n", "utf-8")


def new(tree: Tree, name: str) -> list[Path]:
    """Write the next migration and its rollback; return their paths."""
    if not _NAME.fullmatch(name):
        raise SystemExit(f"freeze: name {name!r} is not lower-case words joined by hyphens")
    changed = [
        path
        for path in tree.procedures()
        if (holders := tree.holders(path)) == [] or holders[-1][1] != tree.file(path).read_text()
    ]
    last = tree.ids[-1] if tree.ids else None
    number = int(last.split(".")[0]) + 1 if last else 1
    migration = f"{number:04d}.{name}"
    apply = [f"-- {name.replace('-', ' ').capitalize()}.\n"]
    if last:
        apply[0] += f"-- depends: {last}\n"
    rollback = [f"-- Undoes {migration}.\n"]
    for path in changed:
        text = tree.file(path).read_text("utf-8")
        apply.append(frozen.wrap(path, text))
        previous = tree.before(path, migration)
        rollback.insert(1, frozen.wrap(path, drop_statement(text) if previous is None else previous))
    written = [tree.path(migration), tree.path(migration, rollback=True)]
    for path_written, parts in zip(written, (apply, rollback), strict=True):
        path_written.write_text("\n".join(parts), "utf-8")
    return written


def main(arguments: list[str] | None = None) -> int:
    """Run one of the four; exit status 1 when --check finds something."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--refresh", action="store_true")
    parser.add_argument("--release", action="store_true")
    parser.add_argument("--db", type=Path, default=ROOT / "db", help="the db directory")
    parser.add_argument("new", nargs="*", metavar="new NAME")
    options = parser.parse_args(arguments)
    tree = Tree.read(options.db)
    if options.new:
        if len(options.new) != 2 or options.new[0] != "new":
            parser.error("use: new NAME")
        print(*new(tree, options.new[1]), sep="\n")
        return 0
    try:
        if options.refresh:
            print(*refresh(tree), sep="\n")
            return 0
        problems = check(tree)
        if options.release and not problems:
            release(tree)
    except frozen.MarkerError as error:
        problems = [str(error)]
    print(*problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
