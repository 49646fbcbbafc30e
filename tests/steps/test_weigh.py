"""Weighing: what stands is not measured again, what fails is a row with its reason, no process is left behind."""

import json
import shutil
import sys

import numpy as np
import psutil
import pytest

import weighin
from weighin.core import registry
from weighin.core.config import validate
from weighin.core.errors import DataError
from weighin.core.family import Tally
from weighin.core.files import hash_path
from weighin.core.result import Measurement
from weighin.core.run import Run
from weighin.steps import evidence, quality, speed
from weighin.steps.candidate import Weighed
from weighin.steps.export import export
from weighin.steps.predictors import load_predictor
from weighin.steps.train import train
from weighin.steps.weigh import weigh

WORKER = """#!{python} -S
import json, os, sys
fails = {fails!r}
number = 0
for line in sys.stdin:
    request = json.loads(line)
    verb = request["do"]
    with open({log!r}, "a") as log:
        print(os.getpid(), verb, request.get("batch", ""), file=log)
    if verb == "start":
        who = request["variant"]["name"]
    number += verb == "time"
    if who in fails and verb == fails[who]["at"]:
        if "error" not in fails[who]:
            os._exit(9)
        print(json.dumps({{"error": fails[who]["error"]}}), flush=True)
        continue
    calls = request.get("calls", 1)
    answers = {{
        "load": {{"cold_start_s": 0.25}},
        "warm": {{"calls": 5, "fastest_ms": 10.0, "median_ms": 10.0}},
        "time": {{"wall_ms": [2.0 + number] * calls, "cpu_ms": [1.0] * calls}},
        "peak": {{"baseline_mb": 100.0, "peak_mb": 130.5}},
    }}
    print(json.dumps(answers.get(verb, {{}})), flush=True)
"""


@pytest.fixture
def workers(tmp_path, monkeypatch):
    """Processes that speak the worker's language and compute nothing; ``fails``: variant -> at which verb, with what."""
    log = tmp_path / "asked.txt"

    def make(fails=None):
        path = tmp_path / "python"
        path.write_text(WORKER.format(python=sys.executable, fails=fails or {}, log=str(log)))
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    make.asked = lambda: [tuple(line.split()) for line in log.read_text().splitlines()]
    make.left = lambda: [who for who, *_ in set(make.asked()) if psutil.pid_exists(int(who))]
    return make


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """nano and wide, trained and exported to torch once."""
    root = tmp_path_factory.mktemp("made")
    points = registry.family("points")
    runs = {}
    for name in ("nano", "wide"):
        runs[name] = train(points, points.variant(name).but(**{"recipe.steps": 30}), root=root)
        export(points, points.variant(name), runs[name], "torch")
    return runs


@pytest.fixture
def candidates(points, made, tmp_path):
    """The two, on copies of their runs."""
    copies = {
        name: Run.open(shutil.copytree(run.path, tmp_path / "runs" / "points" / run.path.name)) for name, run in made.items()
    }
    return [Weighed(points, points.variant(name), run, "torch", "synthetic") for name, run in copies.items()]


def bias(points, run, value):
    variant = points.variant("nano").but("other", **{"predict.bias": value})
    return Weighed(points, variant, run, "torch", "synthetic")


def test_quality_is_what_the_predictor_answers(points, candidates):
    (row, _) = weigh(candidates, rounds=0)
    test = points.examples("synthetic", "test")
    answers = load_predictor(points, candidates[0].variant, candidates[0].run, "torch")([e.x for e in test])
    top1 = row.get("top1")
    assert top1.value == np.mean([a == e.y for a, e in zip(answers, test)]) and top1.n == 600
    assert top1.low < top1.value < top1.high and "120 groups" in top1.method
    assert row.get("distance").better == "lower" and row.get("distance").unit == "arms"
    assert (
        row.status == "ok" and row.run == candidates[0].run.path.name and row.settings["model"] == {"width": 16, "dropout": 0.1}
    )


def test_facts_are_counted(candidates):
    row = weigh(candidates[:1], rounds=0)[0]
    candidate = candidates[0]
    shipped = [candidate.run.path / "exports" / "torch" / "net.pt2", candidate.run.assets / "scale.json"]
    assert row.get("size_mb").value == sum(p.stat().st_size for p in shipped) / 1e6
    assert row.get("parameters").value == 2 * 16 + 16 + 32 + 16 * 16 + 16 + 16 * 3 + 3
    assert row.get("train_cpu_minutes").value == candidate.run.info.training["cpu_minutes"]


def test_every_figure_says_all_that_is_needed_to_do_it_again(candidates, workers):
    workers()
    rows = weigh(candidates, rounds=7, batches=[4])
    names = {
        "top1", "distance", "size_mb", "parameters", "train_minutes", "train_cpu_minutes", "latency_p50_ms", "latency_p90_ms",
        "latency_cpu_p50_ms", "throughput_per_s", "cpu_ms_per_item", "peak_memory_mb", "cold_start_s",
    }  # fmt: skip
    for row, candidate in zip(rows, candidates):
        assert {m.name for m in row.measurements} == names
        for m in row.measurements:
            assert m.family == "points" and m.variant == row.variant and m.runtime == "torch" and m.data == "synthetic"
            assert m.method and m.command and m.at and m.n >= 1 and m.better
            assert {"weighin", "torch"} <= set(m.versions) and m.hardware["threads"] == 1 and m.hardware["cpu"]
            assert {"weights", "artefact", "assets", "predict", "data", "evidence"} <= set(m.hashes)
            assert hash_path(candidate.run.path / "evidence" / m.evidence)[:16] == m.hashes["evidence"]
            assert m.low is None or m.low <= m.value <= m.high
        assert [Measurement.model_validate_json(m.model_dump_json()) for m in row.measurements] == row.measurements
        assert sorted(m.name for m in candidate.run.measurements()) == sorted(names)


def test_nothing_is_measured_twice(candidates, workers, monkeypatch):
    workers()
    first = weigh(candidates, rounds=6, batches=[4])
    files = {p: p.stat().st_mtime_ns for c in candidates for p in c.run.path.rglob("*") if p.is_file()}
    asked = len(workers.asked())
    monkeypatch.setattr(Weighed, "predictor", lambda self: pytest.fail("measured again"))
    assert weigh(candidates, rounds=6, batches=[4]) == first
    assert {p: p.stat().st_mtime_ns for c in candidates for p in c.run.path.rglob("*") if p.is_file()} == files
    assert len(workers.asked()) == asked
    assert first[0].get("latency_p90_ms") and first[0].get("latency_p99_ms") is None  # 6 rounds of 12 calls support no more


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda c: None, set()),
        (lambda c: setattr(c, "data", "synthetic"), set()),
        (lambda c: (c.run.path / "evidence" / f"{c.stem}-quality.npz").unlink(), {"quality"}),
        (lambda c: (c.run.path / "evidence" / f"{c.stem}-quality.npz").write_bytes(b"cut"), {"quality"}),
        (lambda c: (c.run.path / "measurements.jsonl").unlink(), {"quality", "speed"}),
        (lambda c: (c.run.path / "evidence" / f"{c.stem}-speed.npz").unlink(), {"speed"}),
    ],
    ids=["nothing", "same data", "no evidence", "damaged evidence", "no measurements", "no times"],
)
def test_only_what_is_missing_is_measured(candidates, workers, monkeypatch, change, again):
    workers()
    weigh(candidates, rounds=6, batches=[4])
    before = len(workers.asked())
    change(candidates[0])
    loaded, original = [], Weighed.predictor
    monkeypatch.setattr(Weighed, "predictor", lambda self: (loaded.append(self.label), original(self))[1])
    weigh(candidates, rounds=6, batches=[4])
    assert loaded == (["nano @ torch"] if "quality" in again else [])
    assert (len(workers.asked()) > before) == ("speed" in again)


def test_other_use_other_examples_other_scores_are_measured_anew(points, candidates, monkeypatch):
    run = candidates[0].run
    one = weigh([candidates[0]], rounds=0)[0]
    two = weigh([bias(points, run, 5.0)], rounds=0)[0]
    assert (
        one.get("top1").value != two.get("top1").value
        and one.get("top1").hashes["predict"] != two.get("top1").hashes["predict"]
    )
    few = weigh([candidates[0]], rounds=0, examples=100)[0]
    assert few.get("top1").n == 100 and few.get("top1").hashes["examples"] != one.get("top1").hashes["examples"]
    monkeypatch.setattr(type(points), "scores", type(points).scores[:1])
    assert weigh([candidates[0]], rounds=0, examples=100)[0].get("distance") is None


def test_other_libraries_are_measured_anew(candidates, monkeypatch):
    first = weigh(candidates[:1], rounds=0)[0]
    monkeypatch.setattr("weighin.core.environment.versions", lambda *more: {"torch": "99"})
    again = weigh(candidates[:1], rounds=0)[0]
    assert {m.versions["torch"] for m in again.measurements} == {"99"} != {m.versions["torch"] for m in first.measurements}


def test_again_measures_anew(candidates, monkeypatch):
    first = weigh(candidates[:1], rounds=0)
    monkeypatch.setattr("weighin.core.environment.now", lambda: "later")
    assert weigh(candidates[:1], rounds=0) == first
    assert weigh(candidates[:1], rounds=0, again=["quality"])[0].get("top1").at == "later"


def test_a_candidate_that_fails_is_a_row_with_its_reason(points, candidates, monkeypatch):
    predictor = type(points).predictor

    def breaking(self, parts, variant, folder):
        if variant.name == "nano":
            return lambda xs: 1 / 0
        return predictor(self, parts, variant, folder)

    monkeypatch.setattr(type(points), "predictor", breaking)
    nano, wide = weigh(candidates, rounds=0)
    assert (nano.status, wide.status) == ("failed", "ok") and not nano.measurements
    assert "nano @ torch failed on test examples: ZeroDivisionError: division by zero" in nano.reason


def test_a_crash_of_the_checks_is_a_row_with_its_reason(points, candidates, monkeypatch):
    checks = type(points).checks
    calls = []

    def breaking(self, predict, examples):
        calls.append(len(examples))
        return checks(self, predict, [] if len(calls) > 1 else 1 / 0)

    monkeypatch.setattr(type(points), "checks", breaking)
    nano, wide = weigh(candidates, rounds=0)
    assert (nano.status, wide.status) == ("failed", "ok")
    assert "nano @ torch failed on the checks: ZeroDivisionError: division by zero" in nano.reason


def test_two_runs_of_one_variant_keep_their_own_figures(points, candidates):
    first, second = candidates
    model = points.variant("wide").but("nano")
    rows = weigh([first, Weighed(points, model, second.run, "torch", "synthetic")], rounds=0)
    assert [row.variant for row in rows] == ["nano", f"nano-{second.run.info.id}"]
    assert [row.run for row in rows] == [first.run.path.name, second.run.path.name]
    alone = [weigh([candidate], rounds=0)[0] for candidate in candidates]
    assert [row.get("parameters").value for row in rows] == [row.get("parameters").value for row in alone]
    assert {m.run for m in first.run.measurements()} == {first.run.path.name}


def test_a_composite_weighs_the_assets_of_all_members(points, made, tmp_path):
    root = tmp_path / "runs" / "points"
    for run in made.values():
        shutil.copytree(run.path, root / run.path.name)
    lineup = {name: points.variant(name).but(**{"recipe.steps": 30}) for name in made}
    both = train(points, points.variant("both"), root=root.parent, lineup=lineup)
    row = weigh([Weighed(points, points.variant("both"), both, "torch", "synthetic")], rounds=0)[0]
    parts = [root / run.path.name / "exports" / "torch" / "net.pt2" for run in made.values()]
    shipped = [*parts, *both.assets.rglob("scale.json")]
    assert len(shipped) == 4 and row.get("size_mb").value == sum(p.stat().st_size for p in shipped) / 1e6


def test_a_tampered_export_is_a_row_with_its_reason(candidates):
    (candidates[1].run.path / "exports" / "torch" / "net.pt2").write_bytes(b"other")
    nano, wide = weigh(candidates, rounds=0)
    assert nano.status == "ok" and wide.status == "failed" and "is not the file that the export wrote" in wide.reason


def test_no_test_examples(points, candidates, monkeypatch):
    monkeypatch.setattr(type(points), "examples", lambda self, data, split: [])
    with pytest.raises(DataError, match="'synthetic' has no test examples for points"):
        quality.quality(candidates[0])
    assert [row.status for row in weigh(candidates, rounds=0)] == ["failed", "failed"]


def test_a_score_that_is_undefined_is_not_measured(points, candidates, monkeypatch):
    score = type(points).score

    def nothing(self, predicted, examples):
        zeros = [0.0] * len(examples)
        return {**score(self, predicted, examples), "distance": Tally.of(zeros, zeros)}

    monkeypatch.setattr(type(points), "score", nothing)
    first = weigh(candidates[:1], rounds=0)
    assert first[0].status == "ok"
    assert first[0].get("distance") is None and first[0].get("top1")
    assert weigh(candidates[:1], rounds=0) == first


def test_an_interruption_loses_nothing_that_stands(candidates, monkeypatch):
    original = Weighed.predictor

    def interrupted(self):
        if self.variant.name == "wide":
            raise KeyboardInterrupt
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Weighed, "predictor", interrupted)
        with pytest.raises(KeyboardInterrupt):
            weigh(candidates, rounds=0)
    assert {m.name for m in candidates[0].run.measurements()} >= {"top1", "size_mb"} and not candidates[1].run.measurements()
    loaded = []
    monkeypatch.setattr(Weighed, "predictor", lambda self: (loaded.append(self.label), original(self))[1])
    assert [row.status for row in weigh(candidates, rounds=0)] == ["ok", "ok"] and loaded == ["wide @ torch"]


# --- the session of speed ------------------------------------------------------------------------------------------------


def test_rounds_are_interleaved_in_random_order_and_the_first_runs_twice(candidates, workers):
    workers()
    weigh(candidates, rounds=6, batches=[4])
    asked = [(who, batch) for who, verb, *batch in workers.asked() if verb == "time"]
    for batch, least in ((["1"], 18), (["4"], 18)):
        order = [who for who, size in asked if size == batch]
        rounds = [tuple(order[i : i + 3]) for i in range(0, len(order), 3)]
        assert len(order) >= least and all(len(set(r)) == 3 for r in rounds) and len(set(rounds)) > 2
    names = sorted(p.name for c in candidates for p in (c.run.path / "evidence").iterdir() if "noise" in p.name)
    assert len(names) == 1 and names[0].startswith("nano-torch-")
    assert workers.left() == []


def test_times_become_figures(candidates, workers):
    workers()
    row = weigh(candidates[:1], rounds=7, batches=[4, 8])[0]
    arrays, note = evidence.load(candidates[0].run.path / "evidence" / row.get("latency_p50_ms").evidence)
    assert arrays["single_ms"].shape[0] == 7 and arrays["batch8_ms"].shape == (7,) and note["hashes"] == candidates[0].hashes
    assert row.get("latency_p50_ms").value == pytest.approx(np.median(arrays["single_ms"]), rel=0.2)
    assert row.get("throughput_per_s").value == pytest.approx(np.median(8e3 / arrays["batch8_ms"]), rel=0.2)
    assert row.get("peak_memory_mb").value == pytest.approx(30.5) and row.get("cold_start_s").value == 0.25
    assert row.get("cpu_ms_per_item").value == pytest.approx(1 / 8)


def test_too_few_rounds_support_no_figure_of_time(candidates, workers):
    workers()
    row = weigh(candidates[:1], rounds=5, batches=[4])[0]
    assert row.status == "ok" and row.get("cold_start_s") and row.get("peak_memory_mb")
    assert not [m.name for m in row.measurements if m.name.startswith(("latency", "throughput", "cpu"))]


def test_figures_of_an_older_method_are_computed_anew_from_their_evidence(candidates, workers):
    """No process is asked again: the times stand, only what is made of them has changed."""
    workers()
    first = weigh(candidates, rounds=6, batches=[4])
    run, asked = candidates[0].run, len(workers.asked())
    older = [m.model_copy(update={"low": m.value, "method": "older"}) for m in run.measurements() if m.name != "latency_p90_ms"]
    (run.path / "measurements.jsonl").write_text("".join(m.model_dump_json() + "\n" for m in older))
    again = weigh(candidates, rounds=6, batches=[4])
    assert len(workers.asked()) == asked
    counted = {m.name for m in candidates[0].facts()}
    assert again[1] == first[1]
    assert [m for m in again[0].measurements if m.name not in counted] == [
        m for m in first[0].measurements if m.name not in counted
    ]
    assert {m.name for m in run.measurements() if m.method == "older"} == counted


def test_without_batches_there_is_no_throughput(candidates, workers):
    workers()
    row = weigh(candidates[:1], rounds=6, batches=[])[0]
    assert row.status == "ok" and row.get("latency_p50_ms") and row.get("throughput_per_s") is None


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        ({"at": "load", "error": "no kernel"}, "while it was timed: no kernel"),
        ({"at": "start"}, "while it was timed: the process ended with exit code 9 at start"),
        ({"at": "time"}, "while it was timed: the process ended with exit code 9 at time"),
        ({"at": "peak"}, "while it was timed: the process ended with exit code 9 at peak"),
        ({"at": "warm", "error": "out of memory"}, "while it was timed: out of memory"),
    ],
)
def test_a_process_that_fails_is_a_row_and_the_others_go_on(candidates, workers, fails, reason):
    workers({"wide": fails})
    nano, wide = weigh(candidates, rounds=6, batches=[4])
    assert nano.status == "ok" and nano.get("latency_p50_ms")
    assert wide.status == "failed" and wide.reason == reason and wide.get("top1") and wide.get("latency_p50_ms") is None
    assert workers.left() == []


@pytest.mark.parametrize("verb", ["start", "warm", "time", "peak"])
def test_an_interrupted_session_leaves_no_process_and_no_file(candidates, workers, monkeypatch, verb):
    workers()
    calls, original = [], speed.Scale.ask

    def interrupted(self, asked, **arguments):
        calls.append(asked)
        if calls.count(verb) == 2:
            raise KeyboardInterrupt
        return original(self, asked, **arguments)

    with monkeypatch.context() as patch:
        patch.setattr(speed.Scale, "ask", interrupted)
        with pytest.raises(KeyboardInterrupt):
            weigh(candidates, rounds=6, batches=[4])
    assert workers.left() == [] and not [p for c in candidates for p in (c.run.path / "evidence").glob("*-speed.npz")]
    assert all(row.get("latency_p50_ms") for row in weigh(candidates, rounds=6, batches=[4]))


def test_waves_when_memory_is_short(candidates, workers, monkeypatch):
    workers()
    monkeypatch.setattr(speed.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10, "total": 2**34}))
    three = [*candidates, bias(candidates[0].family, candidates[0].run, 1.0)]
    assert [[c.variant.name for c in wave] for wave in speed.waves(three)] == [["nano", "wide"], ["nano", "other"]]
    rows = weigh(three, rounds=6, batches=[4])
    assert all(row.get("latency_p50_ms") for row in rows)
    assert len({who for who, *_ in workers.asked()}) == 6


def test_the_real_worker_answers(candidates):
    """One real process: starts, loads, warms up, times, weighs its memory."""
    scale = speed.Scale(candidates[0], "x")
    try:
        scale.ready([8])
        for batch, calls in ((1, 3), (8, 1)):
            answer = scale.ask("time", batch=batch, calls=calls)
            assert [len(answer[key]) for key in ("wall_ms", "cpu_ms")] == [calls, calls] and min(answer["wall_ms"]) > 0
        scale.finish()
        assert scale.error == ""
        assert scale.facts["cold_start_s"] > 0 and scale.facts["peak_mb"] >= scale.facts["baseline_mb"] > 50
        assert "error" in scale.ask("nonsense") and "nonsense" in scale.error
    finally:
        scale.close()
    assert not psutil.pid_exists(scale.process.pid)


def test_the_api_weighs_runs_and_variants(made, tmp_path, monkeypatch):
    rows = weighin.weigh([str(made["nano"].path)], runtimes=["torch"], rounds=0, examples=50)
    assert [row.label for row in rows] == ["nano @ torch"] and rows[0].get("top1").n == 50
    few = {"recipe.steps": 2}
    run = weighin.train("points/nano", settings=few)
    assert weighin.weigh([run], rounds=0, examples=20)[0].runtime == "torch"


def test_figures_follow_from_evidence_alone(points, candidates):
    row = weigh(candidates[:1], rounds=0)[0]
    arrays, note = evidence.load(candidates[0].run.path / "evidence" / row.get("top1").evidence)
    again = {f["name"]: f for f in quality.figures(points, arrays)}
    assert (again["top1"]["value"], again["top1"]["low"]) == (row.get("top1").value, row.get("top1").low)
    assert note["n"] == 600 and note["checks"][0]["passed"] and len(note["worst"]) <= quality.WORST
    assert all(line["truth"] != line["answer"] for line in note["worst"])
    assert json.loads(json.dumps(note)) == note
    kinds = quality.by(arrays, points.primary, "kinds")
    assert set(kinds) == {"arm0", "arm1", "arm2"} and sum(k["n"] for k in kinds.values()) == 600
    assert validate(Measurement, row.get("top1").model_dump(mode="json"), "x") == row.get("top1")
