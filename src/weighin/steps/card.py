"""The verb ``card``: a Hugging Face model card and ``.eval_results`` entry for one candidate, from measured figures only.

Formats: https://github.com/huggingface/hub-docs/blob/main/modelcard.md (front matter with ``model-index``) and
https://huggingface.co/docs/hub/eval-results (``.eval_results/*.yaml``).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from weighin.core.errors import ConfigError, unknown
from weighin.core.files import write_text
from weighin.core.result import Candidate, Measurement, Report

NEAREST_TASK = "other"  # the hub's task list has no name that a family could be asked for; `tags` says the family


def card(report: Report, variant: str, runtime: str) -> str:
    """``README.md`` of a model repository: YAML front matter, then what was measured and how.

    Raises ConfigError for a candidate that is not in the report or of which nothing was measured here.
    """
    candidate = _candidate(report, variant, runtime)
    front = yaml.safe_dump(_front(report, candidate), sort_keys=False, allow_unicode=True).strip()
    return "\n".join(["---", front, "---", "", *_body(report, candidate), ""])


def eval_results(report: Report, variant: str, runtime: str, dataset: str, task: str = "default") -> str:
    """Content of ``.eval_results/<name>.yaml``: the primary score against a benchmark data set of the hub.

    ``dataset`` is the hub's id (``owner/name``) of the data that the report was measured on: only the user can know it.
    Raises ConfigError for another form of id, or when the primary score was not measured.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", dataset):
        allowed = "A data set of the hub is OWNER/NAME, such as cais/hle"
        hint = (
            f"Name the one that {report.data!r} is there, or leave it out: the card is then written without evaluation results"
        )
        raise ConfigError(f"--dataset got {dataset!r}", allowed, hint)
    candidate = _candidate(report, variant, runtime)
    score = candidate.get(report.primary)
    if score is None:
        raise ConfigError(f"{candidate.label} has no {report.primary}: not measured", hint="Weigh it first")
    notes = f"{candidate.label}; {score.name}, {_interval(score)}; n {score.n}; {score.method}"
    entry: dict[str, Any] = {"dataset": {"id": dataset, "task_id": task}, "value": score.value}
    entry |= {"date": score.at} if score.at else {}
    return yaml.safe_dump([{**entry, "notes": notes}], sort_keys=False, allow_unicode=True)


def write(report: Report, variant: str, runtime: str, folder: Path, dataset: str = "", task: str = "default") -> list[Path]:
    """Writes ``README.md`` into ``folder`` and, against a ``dataset`` of the hub, ``.eval_results/<family>.yaml``.

    Raises ConfigError, StorageError; then nothing is written.
    """
    texts = {folder / "README.md": card(report, variant, runtime)}
    if dataset:
        texts[folder / ".eval_results" / f"{report.family}.yaml"] = eval_results(report, variant, runtime, dataset, task)
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def _candidate(report: Report, variant: str, runtime: str) -> Candidate:
    label = f"{variant} @ {runtime}"
    found = next((c for c in report.candidates if c.label == label), None)
    if found is None:
        raise unknown(f"candidate of this report ({report.family})", label, [c.label for c in report.candidates])
    if found.status != "ok" or not found.measurements:
        why = f"{found.status}{': ' + found.reason if found.reason else ''}"
        raise ConfigError(
            f"{label} has no figures measured here ({why})",
            "A card is made of those only",
            "Choose a candidate that was weighed",
        )
    return found


def _front(report: Report, candidate: Candidate) -> dict[str, Any]:
    scores = [m for m in candidate.measurements if m.name in _scores(report)]
    revision = {"revision": scores[0].hashes["data"]} if scores and scores[0].hashes.get("data") else {}
    dataset = {"name": report.data, "type": report.data, **revision}
    result = {
        "task": {"type": NEAREST_TASK, "name": report.about or report.family},
        "dataset": dataset,
        "metrics": [_metric(m) for m in scores],
    }
    index = {"name": f"{report.family}-{candidate.variant}", "results": [result]}
    tags = ["weighin", report.family, candidate.variant, candidate.runtime.split(":")[0]]
    return {"library_name": "weighin", "tags": list(dict.fromkeys(tags)), "model-index": [index] if scores else []}


def _scores(report: Report) -> list[str]:
    return [report.primary, *(str(s["name"]) for s in report.scores)]


def _metric(measured: Measurement) -> dict[str, Any]:
    known = {"low": measured.low, "high": measured.high, "n": measured.n, "unit": measured.unit, "method": measured.method}
    return {
        "type": measured.name,
        "name": measured.name,
        "value": measured.value,
        "verified": False,
        "args": {k: v for k, v in known.items() if v not in (None, "")},
    }


def _interval(measured: Measurement) -> str:
    if measured.low is None or measured.high is None:
        return "without interval"
    return f"95 % interval {measured.low:.6g} to {measured.high:.6g}"


def _body(report: Report, candidate: Candidate) -> list[str]:
    first = candidate.measurements[0]
    where = [f"- {key}: {_line(value)}" for key, value in {**first.hardware, **first.versions}.items()]
    commands = dict.fromkeys(filter(None, [report.command, *(m.command for m in candidate.measurements)]))
    about = " ".join(text if text[-1] in ".?!" else f"{text}." for text in (report.about, candidate.about) if text)
    rows = [
        f"| `{m.name}` | {m.value:.6g} | {_ends(m)} | {m.n} | {m.unit} | {_line(m.method)} |" for m in candidate.measurements
    ]
    head = ["| Name | Value | 95 % interval | n | Unit | Method |", "| --- | ---: | ---: | ---: | --- | --- |"]
    return [
        f"# {report.family}/{candidate.variant} on {candidate.runtime}", "", about, "",
        f"Every figure was measured by weighin on `{report.data}`; none is an estimate.", "",
        "## Measured", "",
        *head, *rows, "",
        "## Not measured", "", *_missing(report, candidate), "",
        "## Settings", "", "```yaml", _settings(candidate.settings), "```", "",
        "## Environment", "", *where, "",
        "## Hashes", "", *[f"- {key}: `{value}`" for key, value in _hashes(candidate).items()], "",
        "## Do it again", "", "```", *commands, "```",
    ]  # fmt: skip


def _ends(measured: Measurement) -> str:
    return "none" if measured.low is None or measured.high is None else f"{measured.low:.6g} to {measured.high:.6g}"


def _line(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _missing(report: Report, candidate: Candidate) -> list[str]:
    """What other candidates of the report have and this one has not."""
    names = dict.fromkeys(m.name for c in report.candidates for m in c.measurements if candidate.get(m.name) is None)
    return [f"- `{name}`" for name in names] or ["Nothing that other candidates of the report have."]


def _settings(settings: Mapping[str, Any]) -> str:
    return yaml.safe_dump(_plain(settings), sort_keys=False, allow_unicode=True).strip()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _hashes(candidate: Candidate) -> dict[str, str]:
    return dict(pair for m in candidate.measurements for pair in m.hashes.items())
