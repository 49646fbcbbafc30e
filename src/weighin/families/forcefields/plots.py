"""Pictures of what a run did: energy conservation, temperature, the way to a minimum. PNG or SVG, by the ending."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from weighin.core.errors import ConfigError
from weighin.core.files import write_atomic

INK, ACCENT, SOFT, PALE = "#1b1d20", "#0a5aa8", "#5b616b", "#e6e6e2"
WIDTH, HEIGHT, POINTS = 560, 150, 2000  # px, px, points drawn at most


def dynamics(table: Mapping[str, np.ndarray], atoms: int) -> Any:
    """Total and potential energy against their start, and temperature, over time; columns as in ``record.Row``."""
    import altair as alt

    some = slice(None, None, len(table["step"]) // POINTS + 1)
    total = 1000 * (table["potential_eV"] + table["kinetic_eV"]) / atoms
    potential = 1000 * table["potential_eV"] / atoms
    columns = {"ps": table["time_ps"], "total": total - total[0], "potential": potential - potential[0]}
    columns["temperature"] = table["temperature_K"]
    base = alt.Chart(alt.Data(values=_records({name: values[some] for name, values in columns.items()})))
    charts = [
        _line(base, "ps", "total", "total energy, meV/atom", ACCENT),
        _line(base, "ps", "potential", "potential energy, meV/atom", INK),
        _line(base, "ps", "temperature", "temperature, K", INK, "time, ps"),
    ]
    return _dressed(alt.vconcat(*charts))


def relaxation(energies: Sequence[float], fmax: Sequence[float]) -> Any:
    """Energy above the last and the largest force, step by step."""
    import altair as alt

    above = 1000 * (np.array(energies) - energies[-1])
    data = _records({"step": np.arange(len(above)), "energy": above, "force": np.maximum(np.array(fmax), 1e-6)})
    base = alt.Chart(alt.Data(values=data))
    force = _line(base, "step", "force", "largest force, eV/Å", ACCENT, "step", "log")
    return _dressed(alt.vconcat(_line(base, "step", "energy", "energy above the last, meV", INK), force))


def timesteps(trials: Sequence[Mapping[str, Any]], limit: float) -> Any:
    """Drift against timestep, on logarithmic axes, with the limit; trials that came apart have no drift and no point."""
    import altair as alt

    kept = [trial for trial in trials if trial["drift"] is not None]
    points = [{"fs": trial["timestep"], "drift": max(abs(trial["drift"]), 1e-6)} for trial in kept]
    base = alt.Chart(alt.Data(values=points))
    line = _line(base, "fs", "drift", "|drift|, meV/atom/ps", INK, "timestep, fs", "log", points=True)
    rule = alt.Chart(alt.Data(values=[{"drift": limit}])).mark_rule(color=ACCENT, strokeDash=[4, 3]).encode(y="drift:Q")
    return _dressed(alt.layer(line, rule))


def save(chart: Any, path: Path) -> Path:
    """Writes ``chart`` to ``path``, .png or .svg. Raises ConfigError for another ending."""
    if path.suffix not in (".png", ".svg"):
        raise ConfigError(f"A plot cannot be written to {path.name}", "It is .png or .svg")
    options = {"scale_factor": 2.0} if path.suffix == ".png" else {}
    write_atomic(path, lambda temporary: chart.save(str(temporary), **options))
    return path


def _line(
    base: Any,
    x: str,
    y: str,
    title: str,
    color: str,
    x_title: str = "",
    kind: Literal["linear", "log"] = "linear",
    points: bool = False,
) -> Any:
    import altair as alt

    across = alt.X(f"{x}:Q", title=x_title or None)
    up = alt.Y(f"{y}:Q", title=title, scale=alt.Scale(type=kind, zero=False), axis=alt.Axis(tickCount=5))
    mark = base.mark_line(color=color, strokeWidth=1.2, point={"color": color} if points else False)
    return mark.encode(x=across, y=up).properties(width=WIDTH, height=HEIGHT)


def _records(columns: Mapping[str, np.ndarray]) -> list[dict[str, float]]:
    return [dict(zip(columns, map(float, row))) for row in zip(*columns.values(), strict=True)]


def _dressed(chart: Any) -> Any:
    quiet: dict[str, Any] = {"gridColor": PALE, "tickColor": PALE, "labelColor": SOFT, "titleColor": SOFT}
    quiet |= {"titleFontWeight": "normal", "domain": False}
    return (
        chart.properties(background="#ffffff").configure(font="sans-serif").configure_axis(**quiet).configure_view(stroke=None)
    )
