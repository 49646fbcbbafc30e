"""Sentences of a report: differences, limits, counts, noise. Each says only what the report holds."""

from collections import Counter
from typing import Any

from weighin.core.result import Candidate, Pair, Pick, Report
from weighin.steps.digits import roughly
from weighin.steps.report.figures import ABSENT, figure, name_of
from weighin.steps.verdict import limit_text


def headline(report: Report) -> str:
    """The choice in three words."""
    pick = default_pick(report)
    if pick is None:
        return "Compared, nothing picked"
    return f"Ship {pick.choice.variant} @ {pick.choice.runtime}" if pick.choice else "Nothing fits"


def default_pick(report: Report) -> Pick | None:
    """The pick for the default goal, as ``compare`` left it in the details."""
    raw = report.details.get("pick")
    return Pick.model_validate(raw) if raw else None


def profiles(report: Report) -> list[tuple[str, Pick]]:
    """Named profiles and their picks."""
    return [(name, Pick.model_validate(raw)) for name, raw in (report.details.get("profiles") or {}).items()]


def limits_words(pick: Pick) -> str:
    """All limits of a pick in Markdown, or `no limits`."""
    return " and ".join(f"`{limit_text(limit)}`" for limit in pick.limits) or "no limits"


def pick_command(pick: Pick) -> str:
    """The command that gives the same answer again."""
    limits = "".join(f' --limit "{limit_text(limit)}"' for limit in pick.limits)
    return f"weighin pick --from report.json --best {pick.best}{limits}{' --optimistic' if pick.optimistic else ''}"


def pair_words(pair: Pair, report: Report) -> str:
    """One sentence: who is better and by how much, or that nobody can tell and how many examples would."""
    name, verdict = name_of(report, pair.score), verdict_of(pair, report)
    if pair.different:
        return f"{pair.first} is {verdict} than {pair.second}: {name.title} {_apart(pair, name.unit)}."
    more = f" About {roughly(pair.more_needed)} more examples would tell." if pair.more_needed else ""
    return f"{pair.first} and {pair.second} cannot be told apart: {name.title} {_apart(pair, name.unit)}.{more}"


def verdict_of(pair: Pair, report: Report) -> str:
    """How the first of a pair stands to the second: ``better``, ``worse`` or ``same`` (cannot be told apart)."""
    if not pair.different:
        return "same"
    return "better" if (pair.difference > 0) == (name_of(report, pair.score).better != "lower") else "worse"


def _apart(pair: Pair, unit: str) -> str:
    """``0.012 share higher (0.004 to 0.020; p = 0.003)``; signed where zero lies within the interval."""
    after = f" {unit}" if unit else ""
    if pair.low <= 0 <= pair.high:
        shown = figure(pair.difference, pair.low, pair.high)
        return f"differs by {shown.value}{after} ({shown.interval}; p {p_words(pair.p)})"
    least, most = sorted((abs(pair.low), abs(pair.high)))
    shown = figure(abs(pair.difference), least, most)
    return f"{shown.value}{after} {'higher' if pair.difference > 0 else 'lower'} ({shown.interval}; p {p_words(pair.p)})"


def tests_words(report: Report) -> str:
    """What the pairs were tested by, said once."""
    tests = " or ".join(dict.fromkeys(pair.test.partition("; Holm")[0] for pair in report.pairs))
    return f"On the same examples, by {tests}; p corrected after Holm over all {len(report.pairs)} pairs."


def p_words(p: float) -> str:
    """``< 0.001`` or ``= 0.31``."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


def noise_words(report: Report) -> str:
    """The A/A row: one candidate timed as if it were two."""
    noise: dict[str, Any] | None = report.details.get("noise")
    if not noise:
        return ABSENT
    ratio = figure(noise["ratio"], noise.get("low"), noise.get("high"))
    if not ratio.interval:
        return f"{noise['label']}, timed twice as two candidates: ratio {ratio.value}, interval {ABSENT}."
    floor = max(abs(noise["high"] - 1), abs(1 - noise["low"]))
    seen = f"{noise['label']}, timed twice as two candidates: ratio {ratio.value} ({ratio.interval})."
    return f"{seen} A difference in speed below {100 * floor:.1f} % is noise here."


def count_words(report: Report) -> str:
    """``16 candidates: 13 measured, 1 failed, ...``."""
    counts = Counter(c.status for c in report.candidates)
    said = {"ok": "measured", "failed": "failed", "not measured": "not measured", "imported": "imported"}
    parts = [f"{counts[key]} {word}" for key, word in said.items() if counts[key]]
    return (
        f"{len(report.candidates)} candidate{'s' if len(report.candidates) != 1 else ''}: {', '.join(parts)}."
        if parts
        else "No candidates."
    )


def imported_words(report: Report) -> list[str]:
    """Where each imported candidate came from, a line each."""
    rows = [c for c in report.candidates if c.status == "imported"]
    known = "imported, not measured here"
    return [f"{c.label}: {c.reason if c.reason.startswith(known) else f'{known} ({c.reason})'}." for c in rows]


def ratios_words(report: Report) -> str:
    """How ratios were come by."""
    far = "intervals take the far ends of both."
    if not report.details.get("ratios"):
        return far.capitalize()
    return f"Speed: median over paired rounds, of the calls that nothing cut into. Other figures: {far}"


def threads_words(report: Report) -> str:
    """``1 thread``; empty where it was not kept."""
    threads = report.environment.get("threads")
    said = " and ".join(str(t) for t in threads) if isinstance(threads, (list, tuple)) else str(threads or "")
    return f"{said} thread{'' if said == '1' else 's'}" if said else ""


def checks_words(report: Report) -> str:
    """``22 of 24 checks held.``"""
    rows = [row for checks in (report.details.get("checks") or {}).values() for row in checks]
    return f"{sum(bool(row['passed']) for row in rows)} of {len(rows)} checks held."


def percent(share: float) -> str:
    """A share of draws: ``97 %``, and never a rounded 0 or 100."""
    if 0 < share < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def stands(candidate: Candidate, pick: Pick | None) -> str:
    """How a candidate stands to the default pick; the script keeps it current as limits move."""
    if pick is None:
        return candidate.status
    named = (candidate.variant, candidate.runtime)
    for one, said in ((pick.choice, "choice"), (pick.runner_up, "runner-up")):
        if one and (one.variant, one.runtime) == named:
            return said
    out = next((e for e in pick.excluded if (e.variant, e.runtime) == named), None)
    if out:
        return "; ".join(out.reasons)
    return "fits" if candidate.status == "ok" else candidate.status
