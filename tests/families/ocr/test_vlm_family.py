"""The whole way of a vision-language variant through the house, on a base of a few thousand weights: no weights are faked."""

import json

import numpy as np
import pytest
import tiny_vlm
import torch
from PIL import Image

import weighin
from weighin.core import registry
from weighin.core.errors import ConfigError, DataError, MissingError, RunError
from weighin.core.frozen import BASE
from weighin.core.run import load_tensors
from weighin.families.ocr import bases
from weighin.families.ocr.vlm_use import VlmModel
from weighin.steps.export import export
from weighin.steps.predictors import eager_predictor, export_record, load_predictor
from weighin.steps.train import train

WORDS = ("ଓଡ଼ିଆ", "ଭାଷା", "ପାଣି", "ଘର", "ab", "ଗଛ")


@pytest.fixture(scope="module")
def family():
    return registry.family("ocr")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_vlm.save(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Lines with their text beside them; a word is a pattern of its own."""
    place = tmp_path_factory.mktemp("lines")
    for number in range(48):
        word = number % len(WORDS)
        rng = np.random.default_rng(word)
        pixels = np.kron(rng.integers(0, 2, (4, 8)), np.ones((5, 5))) * 255
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number:02}.png")
        (place / f"{number:02}.gt.txt").write_text(WORDS[word], encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def variant(family, base, folder):
    changes = {
        "model.vlm.base": str(base),
        "model.vlm.rank": 8,
        "model.vlm.dtype": "float32",
        "model.vlm.targets": ("q_proj", "v_proj", "up_proj", "down_proj"),
        "model.vlm.max_pixels": 512,
        "predict.vlm.most": 8,
        "recipe.data": f"lines:{folder}",
        "recipe.steps": 20,
        "recipe.batch": 4,
        "recipe.accumulate": 1,
        "recipe.lr": 1e-2,
        "recipe.precision": "fp32",
        "recipe.save_every": 4,
    }
    return family.variant("vlm-qwen").but(**changes)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(family, variant, root):
    return train(family, variant, root=root)


@pytest.fixture(scope="module")
def lines(family, variant):
    found = family.examples(variant.recipe.data, "validation")
    return [found[i].x for i in range(min(3, len(found)))]


def test_it_learns_and_the_run_holds_the_adapter_alone(run, base):
    told = [json.loads(line)["loss"] for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert np.mean(told[-4:]) < 0.8 * np.mean(told[:4])
    names = set(load_tensors(run.weights))
    assert BASE in names and all("lora_" in name for name in names - {BASE})
    kept = json.loads((run.assets / "base.json").read_text())
    assert kept == {"base": str(base), "sha256": bases.hash_of(base)}
    assert not list(run.path.rglob("model*.safetensors"))


def test_it_is_read_back_as_it_was_trained(family, variant, run, lines):
    one, two = (eager_predictor(family, variant, run)(lines) for _ in range(2))
    assert [family.show(y) for y in one] == [family.show(y) for y in two]
    torch.manual_seed(0)
    fresh = family.build(variant)
    assert not torch.equal(*(dict(m.named_parameters())[_adapter(m)] for m in (fresh, run.load_into(family.build(variant)))))


def _adapter(model):
    return next(name for name, p in model.named_parameters() if "lora_B" in name)


def test_its_export_answers_without_the_base(family, variant, run, lines, monkeypatch):
    export(family, variant, run, "torch")
    record = export_record(run, "torch")
    assert record and set(record["parity"]) == {"image", "decoder"} and all(p["passed"] for p in record["parity"].values())
    wanted = [y.text for y in eager_predictor(family, variant, run)(lines)]
    monkeypatch.setattr(bases, "folder_of", lambda base: None)
    assert [y.text for y in load_predictor(family, variant, run, "torch")(lines)] == wanted


def test_ways_to_use_it_share_the_run(family, variant, root, run, lines):
    beam = variant.but("vlm-qwen-beam", **{"predict.vlm.beams": 3})
    assert train(family, beam, root=root).path == run.path
    readings = eager_predictor(family, beam, run)(lines)
    assert all(len(y.alternatives) > 1 for y in readings)


def test_a_run_on_another_base_is_refused(family, variant, run, tmp_path):
    other = variant.but(**{"model.vlm.base": str(tiny_vlm.save(tmp_path / "other", seed=4))})
    with pytest.raises(RunError, match="trained on a base with SHA-256"):
        run.load_into(family.build(other))


def test_the_adapter_leaves_the_house_merged_and_alone(run, root, tmp_path):
    summary = weighin.use("ocr", "adapter", models=[run.path], out=tmp_path / "one", runs=root)
    assert summary["changed"] < 1e-5
    merged = bases.load(tmp_path / "one" / "merged", torch.float32)
    assert not any("lora" in name for name, _ in merged.named_parameters())
    weighin.use("ocr", "adapter", models=[run.path], settings={"merge": False}, out=tmp_path / "two", runs=root)
    assert {p.name for p in (tmp_path / "two" / "adapter").iterdir()} >= {"adapter_config.json", "adapter_model.safetensors"}


def test_a_merged_model_is_trained_on_as_a_base(family, variant, run, root, tmp_path):
    """What leaves is a whole base: processor, tokenizer and template lie beside the weights."""
    weighin.use("ocr", "adapter", models=[run.path], out=tmp_path, runs=root)
    again = variant.but(**{"model.vlm.base": str(tmp_path / "merged"), "recipe.steps": 2})
    assert family.why_not(again) is None and train(family, again, root=root).trained


def test_a_line_that_cannot_be_used_stops_training_with_its_name(family, variant, folder, tmp_path, root):
    short = variant.but(**{"model.vlm.most": 10})
    with pytest.raises(DataError, match=r"\d\d.*nothing is cut"):
        train(family, short, root=tmp_path)


def test_training_without_the_weights_is_one_sentence(family, tmp_path, monkeypatch):
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "hub"))
    known = family.variant("vlm-qwen")
    assert "needs the weights of Qwen/Qwen2.5-VL-3B-Instruct" in str(family.why_not(known))
    with pytest.raises(MissingError, match=r"weights of Qwen/Qwen2.5-VL-3B-Instruct could not be fetched"):
        family.build(known)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_dials_are_checked(family):
    with pytest.raises(ConfigError, match="min_pixels 9 is more than max_pixels 4"):
        family.variant("vlm-qwen").but(**{"model.vlm.min_pixels": 9, "model.vlm.max_pixels": 4})
    with pytest.raises(ConfigError, match="beams to 1"):
        family.variant("vlm-qwen-beam").but(**{"predict.vlm.temperature": 1.0})
    assert VlmModel().lora == {"r": 32, "lora_alpha": 64, "target_modules": ["q_proj", "v_proj"], "lora_dropout": 0.05}
