"""Small SVG drawings that need no script: a whisker in a table cell, a training curve."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from weighin.steps.report.figures import number

WIDTH, HEIGHT = 320, 200
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 10, 30
POINTS = 240  # a curve has no more: the page must stay small


def whisker(entry: Mapping[str, Any] | None, span: tuple[float, float]) -> Markup:
    """An interval and its value as a line and a dot on the scale ``span``; nothing where nothing was measured."""
    if not entry or entry.get("value") is None:
        return Markup("")
    low, high = span
    scale = 84 / (high - low) if high > low else 0
    ends = [3 + scale * ((entry["value"] if entry.get(key) is None else entry[key]) - low) for key in ("low", "value", "high")]
    return Markup(
        '<svg class="whisker" viewBox="0 0 90 8" width="90" height="8" aria-hidden="true">'
        '<path class="base" d="M3 4H87"/><path d="M{:.1f} 4H{:.1f}"/><circle cx="{:.1f}" cy="4" r="2.6"/></svg>'
    ).format(ends[0], ends[2], ends[1])


def curve(name: str, rows: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Training and validation loss over minutes (steps where no minutes were kept); None without any loss."""
    across = "minutes" if any(row.get("minutes") is not None for row in rows) else "step"
    lines = {
        key: [(row[across], row[key]) for row in rows if row.get(key) is not None and row.get(across) is not None]
        for key in ("loss", "validation")
    }
    points = [point for line in lines.values() for point in line]
    if not points:
        return None
    x_ticks = ticks(0, max(x for x, _ in points))
    y_ticks = ticks(min(y for _, y in points), max(y for _, y in points))
    place = _place((0, x_ticks[-1]), (y_ticks[0], y_ticks[-1]))
    drawn = [_axis(place, x_ticks, y_ticks, across), *(_line(place, key, line) for key, line in lines.items() if line)]
    (_, first), (end, last) = points[0], (lines["loss"] or points)[-1]
    label = f"{name}: loss from {number(first, 2)} to {number(last, 2)} over {number(end, 0)} {across}"
    return Markup('<svg class="curve" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, Markup("").join(drawn)
    )


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from at or below ``low`` to at or above ``high``."""
    reach = (high - low) or abs(high) or 1.0
    power = 10 ** math.floor(math.log10(reach / about))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * about >= reach)
    first = math.floor(low / step + 1e-9)
    count = math.ceil(high / step - 1e-9) - first
    return [(first + i) * step for i in range(max(count, 1) + 1)]


def _place(x_span: tuple[float, float], y_span: tuple[float, float]) -> Any:
    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_span[0]) / ((x_span[1] - x_span[0]) or 1)
        up = (y - y_span[0]) / ((y_span[1] - y_span[0]) or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    return place


def _axis(place: Any, x_ticks: Sequence[float], y_ticks: Sequence[float], unit: str) -> Markup:
    drawn = []
    for tick in y_ticks:
        y = place(0, tick)[1]
        drawn.append(
            Markup('<path class="grid" d="M{} {:.1f}H{}"/><text class="y" x="{}" y="{:.1f}">{:.3g}</text>').format(
                LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 3.5, tick
            )
        )
    for tick in x_ticks:
        drawn.append(
            Markup('<text x="{:.1f}" y="{}">{:.3g}</text>').format(place(tick, y_ticks[0])[0], HEIGHT - BOTTOM + 14, tick)
        )
    drawn.append(Markup('<text class="unit" x="{}" y="{}">{}</text>').format(WIDTH - RIGHT, HEIGHT - 3, unit))
    return Markup("").join(drawn)


def _line(place: Any, kind: str, line: Sequence[tuple[float, float]]) -> Markup:
    stride = math.ceil(len(line) / POINTS)
    kept = [*line[:-1:stride], line[-1]]
    path = "M" + "L".join("{:.1f} {:.1f}".format(*place(x, y)) for x, y in kept)
    return Markup('<path class="{}" d="{}"/>').format("train" if kind == "loss" else kind, path)
