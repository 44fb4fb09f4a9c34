"""Charts for the documentation, as SVG; needs the extra `bench`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path


def curve(
    path: Path, title: str, x_label: str, x: Sequence[int], lines: Mapping[str, Sequence[float]]
) -> None:
    """Draw rates (a second) over a number of clients that doubles from point to point."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "oeventdb"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, values in lines.items():
        axes.plot(x, values, marker="o", label=name)
    axes.set(title=title, xlabel=x_label, ylabel="per second", xscale="log", ylim=(0, None))
    axes.set_xticks(list(x), [str(point) for point in x])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = io.StringIO()
    figure.savefig(drawn, metadata={"Date": None})
    # matplotlib leaves spaces at the ends of lines
    path.write_text("".join(f"{line.rstrip()}\n" for line in drawn.getvalue().splitlines()), "utf-8")
    plt.close(figure)
