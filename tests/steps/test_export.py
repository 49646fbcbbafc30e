"""Exports: recorded, compared, refused with figures; written whole or not at all; never trusted when tampered with."""

import errno
import json

import pytest
import torch

from weighin.core import registry
from weighin.core.errors import ExportError, MissingError, RunError, StorageError
from weighin.core.runtime import Runtime
from weighin.steps import export as step
from weighin.steps.export import export, record
from weighin.steps.predictors import artefacts, eager_predictor, export_folder, export_record, load_predictor
from weighin.steps.train import train

FEW = {"recipe.steps": 4}
INPUTS = [(0.1 * i, 0.05 * i) for i in range(20)]


class Fake(Runtime):
    """Keeps the module in memory; ``how`` says what goes wrong."""

    name = "fake"
    precisions = ("", "rough")
    suffix = ".fake"
    how = ""
    kept: dict = {}  # noqa: RUF012 - path -> module, of this test process

    def why_not(self):
        return "its licence is lost" if self.how == "why not" else None

    def save(self, part, tape, path):
        self.saved = len(tape)
        path.write_text("half")
        if self.how in ("export", "crash", "full", "interrupt"):
            raise {
                "export": ExportError("No kernel for Dropout", "It has Linear", "Use torch"),
                "crash": ValueError("converter bug\nline two"),
                "full": OSError(errno.ENOSPC, "No space left on device"),
                "interrupt": KeyboardInterrupt(),
            }[self.how]
        path.write_text("whole")
        Fake.kept[path.name] = part.module

    def load(self, path, threads):
        error = {"wrong": 0.1, "slightly": 5e-5, "nan": float("nan")}.get(self.how, 0.0)
        module = Fake.kept[path.name]

        def call(*inputs):
            with torch.inference_mode():
                outputs = tuple(y + error * y.abs().max() for y in module(*inputs))
            return outputs[:0] if self.how == "nothing" else outputs

        return call


@pytest.fixture
def fake(monkeypatch):
    original = registry.runtime
    monkeypatch.setattr(registry, "runtime", lambda name: Fake(name[5:]) if name.startswith("fake") else original(name))
    monkeypatch.setattr(Fake, "how", "")
    return lambda how: monkeypatch.setattr(Fake, "how", how)


@pytest.fixture
def run(points, tmp_path):
    return train(points, points.variant("nano").but(**FEW), root=tmp_path)


@pytest.fixture
def nano(points):
    return points.variant("nano")


def test_an_export_says_what_it_is(points, nano, run, fake):
    (folder,) = export(points, nano, run, "fake")
    note = json.loads((folder / "export.json").read_text())
    assert folder == run.path / "exports" / "fake" and note["error"] == "" and note["parts"] == {"net": "net.fake"}
    assert note["weights_hash"] == run.info.weights_hash and note["files"].keys() == {"net.fake"}
    assert note["parity"]["net"] == {"max_abs": 0.0, "max_rel": 0.0, "n": 9, "passed": True}
    assert load_predictor(points, nano, run, "fake")(INPUTS) == eager_predictor(points, nano, run)(INPUTS)


def test_nothing_is_exported_twice(points, nano, run, fake):
    (folder,) = export(points, nano, run, "fake")
    before = (folder / "export.json").stat().st_mtime_ns
    export(points, nano, run, "fake")
    assert (folder / "export.json").stat().st_mtime_ns == before


def test_new_weights_are_exported_anew(points, nano, run, fake):
    export(points, nano, run, "fake")
    run.update(weights_hash="0" * 64)
    assert export_record(run, "fake") is None
    with pytest.raises(RunError, match=r"is not exported to fake.*weighin export"):
        artefacts(run, "fake")


def test_the_tape_holds_what_really_flowed(points, nano, run):
    recorder, parts = record(points, nano, run)
    shapes = [tuple(call.inputs[0].shape) for call in recorder.calls("net")]
    assert shapes == [(512, 2), *[(1, 2)] * 8]
    with torch.no_grad():
        assert all(torch.equal(parts["net"].module(*call.inputs)[0], call.outputs[0]) for call in recorder.calls("net"))


@pytest.mark.parametrize(("how", "off"), [("wrong", "0.1"), ("nan", r"1\.8e\+308")])
def test_an_export_that_disagrees_is_refused_with_figures(points, nano, run, fake, how, off):
    fake(how)
    with pytest.raises(ExportError, match=rf"Part net does not agree.*9 calls: output 'logits' is off by {off}.*0\.0001"):
        export(points, nano, run, "fake")
    note = export_record(run, "fake")
    assert note["files"] == {} and not note["parity"]["net"]["passed"]
    with pytest.raises(RunError, match="could not be exported to fake"):
        artefacts(run, "fake")


def test_an_export_with_other_outputs_is_refused(points, nano, run, fake):
    fake("nothing")
    with pytest.raises(ExportError, match="it returns 0 outputs, the original 1"):
        export(points, nano, run, "fake")
    seen = export_record(run, "fake")["parity"]["net"]
    assert seen["max_rel"] > 1e300 and not seen["passed"]


def test_reduced_precision_may_differ_but_not_absurdly(points, nano, run, fake):
    fake("wrong")
    export(points, nano, run, "fake:rough")
    assert export_record(run, "fake:rough")["parity"]["net"]["max_rel"] == pytest.approx(0.1, rel=1e-3)


def test_an_error_within_tolerance_passes(points, nano, run, fake):
    fake("slightly")
    export(points, nano, run, "fake")
    assert 4e-5 < export_record(run, "fake")["parity"]["net"]["max_rel"] < 6e-5


@pytest.mark.parametrize(
    ("how", "parts"),
    [("export", ("No kernel for Dropout", "Use torch")), ("crash", ("Part net: ValueError: converter bug",))],
)
def test_a_failure_is_kept_with_its_reason(points, nano, run, fake, how, parts):
    fake(how)
    for _ in range(2):
        with pytest.raises(ExportError) as caught:
            export(points, nano, run, "fake")
        assert all(part in str(caught.value) for part in parts) and "line two" not in str(caught.value)
        fake("")  # the second call answers from the record
    assert [p.name for p in export_folder(run, "fake").iterdir()] == ["export.json"]


def test_a_failure_is_tried_again_with_other_libraries(points, nano, run, fake, monkeypatch):
    fake("export")
    with pytest.raises(ExportError):
        export(points, nano, run, "fake")
    fake("")
    monkeypatch.setattr("weighin.core.environment.versions", lambda *more: {"torch": "99"})
    assert export(points, nano, run, "fake")


@pytest.mark.parametrize("how", ["full", "interrupt"])
def test_what_is_no_fault_of_the_export_is_not_kept(points, nano, run, fake, how):
    fake(how)
    with pytest.raises(StorageError if how == "full" else KeyboardInterrupt):
        export(points, nano, run, "fake")
    assert list((run.path / "exports").iterdir()) == []
    fake("")
    assert export(points, nano, run, "fake")


def test_an_export_error_on_a_full_disk_is_the_disks_fault(points, nano, run, fake, monkeypatch):
    fake("export")
    monkeypatch.setattr(step.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 100}))
    with pytest.raises(StorageError, match="the disk is full"):
        export(points, nano, run, "fake")
    assert list((run.path / "exports").iterdir()) == []


def test_a_runtime_that_cannot_run_here(points, nano, run, fake):
    fake("why not")
    with pytest.raises(MissingError, match="Runtime fake cannot run here: its licence is lost"):
        export(points, nano, run, "fake")
    with pytest.raises(RunError, match="Runtime fake cannot run here: its licence is lost"):
        load_predictor(points, nano, run, "fake")


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (lambda f: (f / "net.fake").write_text("other"), "net.fake is missing or is not the file that the export wrote"),
        (lambda f: (f / "net.fake").unlink(), "net.fake is missing or is not the file that the export wrote"),
        (lambda f: (f / "export.json").write_text("{"), "export.json is damaged"),
        (lambda f: (f / "export.json").write_text("[]"), "export.json is damaged"),
    ],
)
def test_a_tampered_export_is_refused(points, nano, run, fake, damage, part):
    (folder,) = export(points, nano, run, "fake")
    damage(folder)
    for use in (lambda: load_predictor(points, nano, run, "fake"), lambda: export(points, nano, run, "fake")):
        with pytest.raises(RunError) as caught:
            use()
        assert part in str(caught.value) and f"Delete {folder} and export again" in str(caught.value)


def test_composites_are_exported_by_member(points, tmp_path, fake):
    lineup = {name: variant.but(**FEW) for name, variant in points.variants().items()}
    both = train(points, lineup["both"], root=tmp_path, lineup=lineup)
    folders = export(points, lineup["both"], both, "fake")
    assert [f.parent.parent.name.partition("-")[0] for f in folders] == ["nano", "wide"]


def test_a_part_that_the_predictor_never_calls(points, nano, run, fake, monkeypatch):
    parts, predictor = type(points).parts, type(points).predictor

    def more(self, model, variant):
        return {**parts(self, model, variant), "idle": parts(self, model, variant)["net"]}

    def only_net(self, bound, variant, folder):
        return predictor(self, {"net": bound["net"]}, variant, folder)

    monkeypatch.setattr(type(points), "parts", more)
    monkeypatch.setattr(type(points), "predictor", only_net)
    with pytest.raises(ExportError, match="never called part idle"):
        export(points, nano, run, "fake")
