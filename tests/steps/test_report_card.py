"""Model cards and evaluation results: measured figures only, in the hub's own form."""

import pytest
import yaml
from made_report import made_report

from weighin.core.errors import ConfigError
from weighin.steps.card import card, eval_results, write


def front(text: str) -> dict:
    """The YAML front matter."""
    _, raw, _ = text.split("---\n", 2)
    return yaml.safe_load(raw)


def test_front_matter_has_a_model_index():
    report = made_report()
    index = front(card(report, "tiny", "onnx:int8"))["model-index"]
    candidate = next(c for c in report.candidates if c.label == "tiny @ onnx:int8")
    (result,) = index[0]["results"]
    assert index[0]["name"] == "glyphs-tiny"
    assert (
        set(result) == {"task", "dataset", "metrics"}
        and {"type", "name"} <= set(result["task"])
        and {"type", "name"} <= set(result["dataset"])
    )
    seen = {m["type"]: (m["value"], m["args"]["low"], m["args"]["high"], m["args"]["n"]) for m in result["metrics"]}
    wanted = {m.name: (m.value, m.low, m.high, m.n) for m in candidate.measurements if m.name.startswith("top1")}
    assert seen == wanted
    assert not any(m["verified"] for m in result["metrics"])


def test_body_shows_every_measurement_and_what_is_missing():
    report = made_report()
    text = card(report, "light", "aoti")
    assert [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")] == ["top1", "size_mb"]
    missing = text.split("## Not measured")[1].split("##")[0]
    assert "- `latency_p90_ms`" in missing and "- `top1`" not in missing
    assert "weighin compare glyphs --threads 1" in text


@pytest.mark.parametrize(("variant", "runtime", "why"), [
    ("tiny", "openvino:int8", "failed: Export of part"), ("full", "torch:compile", "not measured: No C"),
    ("paper", "their torch", "imported"), ("tinny", "onnx", "tiny @ onnx"),
])  # fmt: skip
def test_no_card_of_what_was_not_measured(variant, runtime, why):
    with pytest.raises(ConfigError, match=why):
        card(made_report(), variant, runtime)


def test_eval_results_name_the_data_set_of_the_hub():
    report = made_report()
    (entry,) = yaml.safe_load(eval_results(report, "tiny", "onnx", "someone/glyphs", "forms"))
    candidate = next(c for c in report.candidates if c.label == "tiny @ onnx")
    assert entry["dataset"] == {"id": "someone/glyphs", "task_id": "forms"}
    assert entry["value"] == candidate.measurements[0].value and entry["date"] == "2026-11-20T10:02:11+00:00"
    assert "n 2048" in entry["notes"] and "95 % interval" in entry["notes"]


@pytest.mark.parametrize("dataset", ["", "synthetic", "owner/", "a/b/c"])
def test_eval_results_do_not_make_up_a_data_set(dataset):
    with pytest.raises(ConfigError, match="OWNER/NAME"):
        eval_results(made_report(), "tiny", "onnx", dataset)


def test_write(tmp_path):
    report = made_report()
    paths = write(report, "tiny", "onnx", tmp_path / "card", "someone/glyphs", "forms")
    assert [str(p.relative_to(tmp_path / "card")) for p in paths] == ["README.md", ".eval_results/glyphs.yaml"]
    assert paths[0].read_text() == card(report, "tiny", "onnx")
    assert paths[1].read_text() == eval_results(report, "tiny", "onnx", "someone/glyphs", "forms")


def test_without_a_data_set_there_is_a_card_and_no_results(tmp_path):
    assert [p.name for p in write(made_report(), "tiny", "onnx", tmp_path / "card")] == ["README.md"]
    with pytest.raises(ConfigError, match="--dataset got 'glyphs'"):
        write(made_report(), "tiny", "onnx", tmp_path / "other", "glyphs")
    assert [p.name for p in tmp_path.iterdir()] == ["card"]
