"""Reports read back, and rows as a short table for a terminal."""

import json
from collections.abc import Sequence
from pathlib import Path

from weighin.core.config import validate
from weighin.core.errors import ConfigError
from weighin.core.result import Candidate, Measurement, Report

COLUMNS = (("latency_p50_ms", "p50 ms"), ("throughput_per_s", "per s"), ("peak_memory_mb", "mem MB"), ("size_mb", "size MB"))


def read(path: Path) -> Report:
    """A report from ``report.json`` or its folder. Raises ConfigError."""
    file = path / "report.json" if path.is_dir() else path
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"There is no {file}", hint="weighin compare FAMILY makes a report") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read as a report: {error}") from None
    return validate(Report, raw, str(file))


def overview(rows: Sequence[Candidate]) -> tuple[list[str], list[list[str]]]:
    """Headings and lines that fit 80 columns: candidate, primary score with its interval, speed, memory, size."""
    primary = next((m.name for row in rows for m in row.measurements), "score")
    headings = ["candidate", primary, *(head for _, head in COLUMNS)]
    return headings, [_line(row, primary) for row in rows]


def _line(row: Candidate, primary: str) -> list[str]:
    if row.status in ("failed", "not measured"):
        return [row.label, f"{row.status}: {row.reason}"[:60], *("" for _ in COLUMNS)]
    score = row.get(primary)
    spread = f" ±{(score.high - score.low) / 2:.3f}" if score and score.low is not None and score.high is not None else ""
    shown = f"{score.value:.3f}{spread}" if score else "-"
    label = f"{row.label} (imported)" if row.status == "imported" else row.label
    return [label, shown, *(_short(row.get(name)) for name, _ in COLUMNS)]


def _short(measured: Measurement | None) -> str:
    return f"{measured.value:.3g}" if measured and measured.value < 1000 else f"{measured.value:.0f}" if measured else "-"
