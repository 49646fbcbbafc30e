"""The plot of quality against latency as a picture, for a README or a slide. The page draws its own."""

import math
from pathlib import Path
from typing import Any

from weighin.core.errors import ConfigError, DataError
from weighin.core.files import write_atomic
from weighin.core.result import Report
from weighin.steps.report import figures, words
from weighin.steps.report.page_data import front_axes

INK, SOFT, PALE, ACCENT = "#1b1d20", "#5b616b", "#e6e6e2", "#0a5aa8"
WIDTH, HEIGHT = 620, 380  # of the plotted area, px
Box = tuple[float, float, float, float]  # left, top, right, bottom, px
CORNERS = (("left", 8, -9), ("right", -8, -9), ("left", 8, 9), ("right", -8, 9))


def plot_png(report: Report, path: Path, across: str | None = None, scale: float = 2.0) -> Path:
    """Draws the primary score against ``across`` (default: the latency of the front) into ``path``, .png or .svg.

    Error bars are 95 % intervals; a fuller mark is on the Pareto front in more bootstrap draws. Raises ConfigError
    for another ending, DataError when no candidate has both figures.
    """
    if path.suffix not in (".png", ".svg"):
        raise ConfigError(f"A plot cannot be written to {path.name}", "It is .png or .svg")
    chart = _chart(report, across or next(key for key in front_axes(report) if key != report.primary))
    options = {"scale_factor": scale} if path.suffix == ".png" else {}
    write_atomic(path, lambda temporary: chart.save(str(temporary), **options))
    return path


def _rows(report: Report, across: str) -> list[dict[str, Any]]:
    pick = words.default_pick(report)
    rows = []
    for c in report.candidates:
        x, y = c.get(across), c.get(report.primary)
        if x is None or y is None:
            continue
        ends = {
            f"{axis}_{end}": m.value if bound is None else bound
            for axis, m in (("x", x), ("y", y))
            for end, bound in (("low", m.low), ("high", m.high))
        }
        stands = "choice" if words.stands(c, pick) == "choice" else "imported" if c.status == "imported" else "measured"
        rows.append(
            {
                "variant": c.variant,
                "label": c.label if stands == "choice" else c.runtime,
                "x": x.value,
                "y": y.value,
                "stands": stands,
                "fill": _mixed(ACCENT if stands == "choice" else INK, report.front.get(c.label, 0.0)),
                **ends,
            }
        )
    if not rows:
        raise DataError(
            f"No candidate has both {report.primary} and {across}", hint="Choose another measurement to plot against"
        )
    return rows


def _mixed(color: str, share: float) -> str:
    """``color`` thinned with white: opaque, so that error bars do not show through a mark."""
    parts = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * share):02x}" for part in parts)


def _place(rows: list[dict[str, Any]], kind: str) -> None:
    """Gives each row a corner for its label, where it is least in the way of other labels and marks."""
    spans = {axis: (min(row[f"{axis}_low"] for row in rows), max(row[f"{axis}_high"] for row in rows)) for axis in "xy"}
    change = {"x": math.log if kind == "log" else float, "y": float}
    taken: list[Box] = []
    for row in rows:
        for axis, size in (("x", WIDTH), ("y", -HEIGHT)):
            low, high = (change[axis](end) for end in spans[axis])
            row[f"at_{axis}"] = size * (change[axis](row[axis]) - low) / ((high - low) or 1)
        taken.append((row["at_x"] - 6, row["at_y"] - 6, row["at_x"] + 6, row["at_y"] + 6))
    for row in sorted(rows, key=lambda row: row["stands"] != "choice"):
        boxes = [_box(row, corner) for corner in CORNERS]
        hidden = [9 * (a[0] < 0 or a[2] > WIDTH) + sum(_overlap(a, b) for b in taken) for a in boxes]
        row["corner"] = hidden.index(min(hidden))
        taken.append(boxes[row["corner"]])


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and a[2] > b[0] and a[1] < b[3] and a[3] > b[1]


def _box(row: dict[str, Any], corner: tuple[str, int, int]) -> Box:
    align, across, down = corner
    width = 6.2 * len(row["label"])
    left = row["at_x"] + across - (width if align == "right" else 0)
    return left, row["at_y"] + down - 7, left + width, row["at_y"] + down + 6


def _chart(report: Report, across: str) -> Any:
    import altair as alt

    rows, x_name, y_name = _rows(report, across), figures.name_of(report, across), figures.name_of(report, report.primary)
    reach = [row[end] for row in rows for end in ("x_low", "x_high")]
    kind = "log" if min(reach) > 0 and max(reach) / min(reach) > 6 else "linear"
    _place(rows, kind)
    x = alt.X(
        "x:Q", title=_title(x_name), axis=alt.Axis(tickCount=8), scale=alt.Scale(type=kind, zero=False, nice=False, padding=24)
    )
    y = alt.Y("y:Q", title=_title(y_name), scale=alt.Scale(zero=False, padding=14))
    inks = alt.Scale(domain=["choice", "measured", "imported"], range=[ACCENT, INK, SOFT])
    color, stroke = alt.Color("stands:N", scale=inks, legend=None), alt.Stroke("stands:N", scale=inks, legend=None)
    base = alt.Chart(alt.Data(values=rows))
    shape = alt.Shape("variant:N", title=None, sort=figures.variants(report), legend=alt.Legend(orient="top"))
    layers = [
        base.mark_rule(opacity=0.5).encode(x=alt.X("x_low:Q"), x2="x_high:Q", y=y, color=color),
        base.mark_rule(opacity=0.5).encode(x=x, y=alt.Y("y_low:Q"), y2="y_high:Q", color=color),
        base.mark_point(size=75, filled=False, strokeWidth=1.4, opacity=1).encode(
            x=x, y=y, stroke=stroke, fill=alt.Fill("fill:N", scale=None), shape=shape
        ),
        *(_labels(base, i).encode(x=x, y=y, text="label:N", color=color) for i in range(len(CORNERS))),
    ]
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, background="#ffffff")
    quiet: dict[str, Any] = {
        "gridColor": PALE,
        "tickColor": PALE,
        "labelColor": SOFT,
        "titleColor": SOFT,
        "titleFontWeight": "normal",
    }
    return chart.configure(font="sans-serif").configure_axis(domain=False, **quiet).configure_view(stroke=None)


def _labels(base: Any, corner: int) -> Any:
    align, across, down = CORNERS[corner]
    return base.transform_filter(f"datum.corner == {corner}").mark_text(
        align=align, dx=across, dy=down, fontSize=11, baseline="middle"
    )


def _title(name: figures.Name) -> str:
    return f"{name.head}, {name.better} is better" if name.better else name.head
