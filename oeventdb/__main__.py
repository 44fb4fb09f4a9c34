"""Run the command line with `python -m oeventdb`."""

from oeventdb.cli import main

if __name__ == "__main__":
    main(prog_name="oeventdb")
