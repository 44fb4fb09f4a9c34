"""Tables and the keys between them as a picture: SVG inside the page, so that it is there without a network too."""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

# Sizes in pixels; letters are those of the page's monospaced font at 13 pixels.
_LETTER = 7.9
_ROW = 22
_PADDING = 12
_BETWEEN_LAYERS = 84
_BETWEEN_BOXES = 40
_MARGIN = 26
_BETWEEN_LINES = 7


@dataclass(frozen=True)
class Entity:
    """A table and the columns of it that are drawn: {name: "PK", "FK", "PK FK"}."""

    name: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Reference:
    """A foreign key: rows of `child` name one row of `parent`, or may leave it out."""

    parent: str
    child: str
    column: str
    optional: bool


@dataclass(frozen=True)
class _Box:
    entity: Entity
    layer: int
    x: float
    y: float
    width: float

    @property
    def bottom(self) -> float:
        return self.y + _ROW * (1 + len(self.entity.columns)) + _PADDING / 2

    def row(self, column: str) -> float:
        """The height at which a column is written."""
        return self.y + _ROW * (list(self.entity.columns).index(column) + 1.5)

    def svg(self) -> str:
        height = self.bottom - self.y
        lines = [
            f'<rect x="{self.x:g}" y="{self.y:g}" width="{self.width:g}" height="{height:g}" rx="3"/>',
            f'<path d="M{self.x:g} {self.y + _ROW:g}h{self.width:g}"/>',
            _text(self.x + _PADDING, self.y + _ROW * 0.7, self.entity.name, "name"),
        ]
        for column, marks in self.entity.columns.items():
            line = self.row(column) + _ROW * 0.2
            lines.append(_text(self.x + _PADDING, line, column))
            lines.append(_text(self.x + self.width - _PADDING, line, marks, "mark"))
        return "".join(lines)


def diagram(title: str, entities: Sequence[Entity], references: Sequence[Reference]) -> str:
    """Draw referenced tables to the left of those that refer to them."""
    boxes = _placed(entities, references)
    width = max(box.x + box.width for box in boxes.values()) + 2
    height = max(box.bottom for box in boxes.values()) + _MARGIN
    taken: list[tuple[int, float]] = []
    drawn = [_line(boxes, reference, taken) for reference in references]
    drawn += [box.svg() for box in boxes.values()]
    return (
        f'<div class="diagram"><svg xmlns="http://www.w3.org/2000/svg" width="{width:g}"'
        f' viewBox="0 0 {width:g} {height:g}" role="img"><title>{html.escape(title)}</title>{"".join(drawn)}</svg></div>\n'
    )


def _placed(entities: Sequence[Entity], references: Sequence[Reference]) -> dict[str, _Box]:
    parents = defaultdict(set)
    for reference in references:
        parents[reference.child].add(reference.parent)

    def layer(name: str) -> int:
        return max((layer(parent) + 1 for parent in parents[name]), default=0)

    layers: dict[int, list[Entity]] = defaultdict(list)
    for entity in entities:
        layers[layer(entity.name)].append(entity)
    boxes, x = {}, 2.0
    for number in sorted(layers):
        width = max(_width(entity) for entity in layers[number])
        y = float(_MARGIN)
        for entity in layers[number]:
            boxes[entity.name] = _Box(entity, number, x, y, width)
            y = boxes[entity.name].bottom + _BETWEEN_BOXES
        x += width + _BETWEEN_LAYERS
    return boxes


def _width(entity: Entity) -> float:
    letters = [len(entity.name), *(len(column) + 2 + len(marks) for column, marks in entity.columns.items())]
    return round(max(letters) * _LETTER) + 2 * _PADDING


def _line(boxes: Mapping[str, _Box], reference: Reference, taken: list[tuple[int, float]]) -> str:
    """One row of the parent, a bar; any number of the child, a crow's foot; a circle where there may be none."""
    parent, child = boxes[reference.parent], boxes[reference.child]
    x1, y1 = parent.x + parent.width, parent.row("id" if "id" in parent.entity.columns else reference.column)
    x2, y2 = child.x, child.row(reference.column)
    points = [(x1 + 14, y1), *_way_between(boxes, parent, child, y1, y2, taken), (x2 - 14, y2)]
    curve = f"M{x1:g} {y1:g}h14"
    for number, ((from_x, from_y), (to_x, to_y)) in enumerate(pairwise(points)):
        if number % 2:  # past a layer
            curve += f"H{to_x:g}"
        else:
            bend = (from_x + to_x) / 2
            curve += f"C{bend:g} {from_y:g} {bend:g} {to_y:g} {to_x:g} {to_y:g}"
    foot = f"h14m-10 0l10 -6m-10 6l10 6M{x1 + 6:g} {y1 - 6:g}v12"
    circle = f'<circle cx="{x1 + 14:g}" cy="{y1:g}" r="4"/>' if reference.optional else ""
    return f'<path class="key" d="{curve}{foot}"/>{circle}'


def _way_between(
    boxes: Mapping[str, _Box],
    parent: _Box,
    child: _Box,
    y1: float,
    y2: float,
    taken: list[tuple[int, float]],
) -> list[tuple[float, float]]:
    """Where the line enters and leaves each layer that it passes: above, between or below the boxes of it."""
    way = []
    for number in range(parent.layer + 1, child.layer):
        layer = [box for box in boxes.values() if box.layer == number]
        straight = y1 + (y2 - y1) * (number - parent.layer) / (child.layer - parent.layer)
        gaps = [_MARGIN / 2 + 6, *(box.bottom + _BETWEEN_BOXES / 2 - 6 for box in layer)]
        gap = min(gaps, key=lambda y: abs(y - straight))
        while (number, gap) in taken:
            gap += _BETWEEN_LINES
        taken.append((number, gap))
        way += [(layer[0].x, gap), (layer[0].x + layer[0].width, gap)]
        y1 = gap
        parent = layer[0]
    return way


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{named}>{html.escape(text)}</text>'
