"""`python -m bench [NAME [OPTIONS]]`: run one benchmark, or all of them one after the other."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path


def main() -> None:
    """Call the `main` of the module of that name with the other arguments."""
    # a server that is measured gets all of Java's compilers, as one in production
    os.environ.setdefault("ES_JAVA_OPTS", "-Xms512m -Xmx512m")
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    chosen, options = sys.argv[1:2] or names, sys.argv[2:]
    for name in chosen:
        if name not in names:
            raise SystemExit(f"usage: python -m bench [{{{','.join(names)}}} [OPTIONS]]")
        print(f"== {name}", flush=True)
        importlib.import_module(f"bench.{name}").main(options)


if __name__ == "__main__":
    main()
