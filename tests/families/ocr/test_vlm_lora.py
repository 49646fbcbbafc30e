"""Adapters on a frozen base: how many weights, what is saved, what merging changes, which base they go onto."""

import warnings

import numpy as np
import pytest
import tiny_vlm
import torch

from weighin.core.errors import ConfigError, MissingError, RunError
from weighin.core.family import Example
from weighin.core.frozen import BASE
from weighin.core.run import load_state, load_tensors, save_tensors
from weighin.families.ocr import bases, lora, vlm
from weighin.families.ocr.line import Line
from weighin.families.ocr.vlm_use import VlmModel

TEXTS = ("ଓଡ଼ିଆ", "ଭାଷା", "ab c")
LOUD = 0.3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_vlm.save(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def settings(folder):
    return VlmModel(base=str(folder), rank=4, alpha=8, dropout=0.0, dtype="float32")


@pytest.fixture(scope="module")
def given(settings, tmp_path_factory):
    """A batch of three lines."""
    place, rng = tmp_path_factory.mktemp("assets"), np.random.default_rng(0)
    vlm.prepare(settings, place)
    lines = [Line(rng.integers(0, 256, (20, width)).astype(np.uint8)) for width in (40, 90, 64)]
    return vlm.batch(settings, [Example(str(i), "g", x, y) for i, (x, y) in enumerate(zip(lines, TEXTS))], place)


def built(settings, seed=0):
    torch.manual_seed(seed)
    return vlm.build(settings)


def trained(settings, seed=0):
    """Adapters that do something: freshly made, their second matrix is zero."""
    model = built(settings, seed)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=LOUD)
    return model.eval()


def logits(model, given):
    with torch.no_grad():
        return model.eval()(given)["logits"]


def test_the_sources_adapter_has_7_372_800_weights_on_the_true_base():
    """Rank 32 on q_proj and v_proj of Qwen2.5-VL-3B, as the original project trained it; no weights are made."""
    with torch.device("meta"):
        model = vlm.build(VlmModel())
    counts = [sum(p.numel() for p in model.parameters() if p.requires_grad or everything) for everything in (False, True)]
    assert counts == [7_372_800, 3_754_622_976 + 7_372_800]
    assert {p.device.type for p in model.parameters()} == {"meta"}
    names = {name.split(".")[-4] for name, p in model.named_parameters() if p.requires_grad}
    assert names == {"q_proj", "v_proj"}


@pytest.mark.parametrize("rank", [1, 8])
def test_rank_and_targets_are_dials(settings, rank):
    model = built(settings.model_copy(update={"rank": rank, "targets": ("o_proj",)}))
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 2 * rank * (32 + 32)  # layers x r x (in + out)


def test_a_target_that_is_not_there_is_told(settings):
    with pytest.raises(ConfigError, match=r"no modules nothing.*Linear layers: .*q_proj"):
        built(settings.model_copy(update={"targets": ("nothing",)}))


def test_it_learns_and_the_base_does_not_change(settings, given):
    model = built(settings).train()
    frozen = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
    seen = []
    for _ in range(12):
        value = vlm.loss(model(given), given)["token"]
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        seen.append(float(value.detach()))
    assert seen[-1] < 0.7 * seen[0]
    assert frozen and all(torch.equal(p, frozen[name]) for name, p in model.named_parameters() if name in frozen)


def test_the_loss_is_the_stock_models_own(settings, given):
    model = trained(settings)
    with torch.no_grad():
        stock = model.base(given.input_ids, given.attention_mask, labels=given.labels, **given.inputs).loss
    assert torch.allclose(vlm.loss({"logits": logits(model, given)}, given)["token"], stock, atol=1e-5)


def test_what_is_saved_is_the_adapter_and_it_comes_back(settings, given, tmp_path):
    model, path = trained(settings), tmp_path / "weights.safetensors"
    save_tensors(path, model.state_dict())
    assert set(load_tensors(path)) - {BASE} == {n for n, p in model.named_parameters() if p.requires_grad}
    assert path.stat().st_size < 0.3 * sum(p.nbytes for p in model.parameters())
    again = built(settings, seed=5)
    assert not torch.allclose(logits(again, given), logits(model, given), atol=1e-2)
    load_state(again, load_tensors(path), path)
    assert torch.equal(logits(again, given), logits(model, given))


def test_merging_changes_nothing(settings, given):
    model = trained(settings)
    before, state = logits(model, given), model.state_dict()
    assert 0 < lora.merge(model) < 1e-5
    assert torch.allclose(logits(model, given), before, rtol=0, atol=1e-5 * float(before.abs().max()))
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items()), "the state stays the adapter's"
    assert lora.merge(model) == 0.0, "it is merged once"


def test_a_merge_that_changes_something_is_refused(settings, monkeypatch):
    from peft.tuners.lora import Linear

    model, right = trained(settings), Linear.get_delta_weight
    monkeypatch.setattr(Linear, "get_delta_weight", lambda layer, adapter: right(layer, adapter) * 1.1)
    with pytest.raises(RunError, match="changes its output"):
        lora.merge(model)


def test_an_adapter_of_another_base_is_refused_by_its_hash(settings, given, tmp_path):
    other = tiny_vlm.save(tmp_path / "other", seed=9)
    ours, theirs = bases.hash_of(bases.fetched(settings.base)), bases.hash_of(other)
    with pytest.raises(RunError, match=f"SHA-256 {ours[:12]}, the base that is here has {theirs[:12]}"):
        load_state(built(settings.model_copy(update={"base": str(other)})), trained(settings).state_dict(), tmp_path)


def test_the_hash_is_of_the_bytes_and_not_of_the_place(settings, tmp_path):
    copy, other = tiny_vlm.save(tmp_path / "copy"), tiny_vlm.save(tmp_path / "other", seed=9)
    assert bases.hash_of(copy) == bases.hash_of(bases.fetched(settings.base)) != bases.hash_of(other)


def test_peft_itself_reads_the_adapter(settings, given, tmp_path):
    from peft import PeftModel

    model = trained(settings)
    lora.save_adapter(model, tmp_path / "adapter")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft 0.21 asks transformers 5 by an old name
        theirs = PeftModel.from_pretrained(bases.load(bases.fetched(settings.base), torch.float32), str(tmp_path / "adapter"))
    with torch.no_grad():
        answer = theirs.eval()(input_ids=given.input_ids, attention_mask=given.attention_mask, **given.inputs).logits
    assert torch.allclose(answer[:, -given.tail :], logits(model, given), atol=1e-5)


def test_the_merged_model_is_a_base_of_its_own(settings, given, tmp_path):
    model = trained(settings)
    before = logits(model, given)
    assert lora.save_merged(model, tmp_path / "merged") < 1e-5
    with torch.no_grad():
        alone = bases.load(tmp_path / "merged", torch.float32)(given.input_ids, given.attention_mask, **given.inputs).logits
    assert torch.allclose(alone[:, -given.tail :], before, rtol=0, atol=1e-5 * float(before.abs().max()))


def test_a_base_in_half_precision_is_trained_and_read_in_float32(settings, given):
    model = built(settings.model_copy(update={"dtype": "bfloat16"}))
    kinds = {p.requires_grad: p.dtype for p in model.parameters()}
    assert kinds == {False: torch.bfloat16, True: torch.float32}
    vlm.loss(model(given), given)["token"].backward()
    vlm.parts(model)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_weights_that_are_not_here_are_one_sentence(tmp_path, monkeypatch):
    """No network, nothing cached: the error says what and how, and nothing stays behind."""
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert "needs the weights of nobody/nothing" in str(bases.why_not("nobody/nothing"))
    with pytest.raises(MissingError, match=r"weights of nobody/nothing could not be fetched.*model.vlm.base"):
        vlm.build(VlmModel(base="nobody/nothing"))
    assert not [path for path in (tmp_path / "hub").rglob("*") if path.is_file()]
    with pytest.raises(MissingError, match="configuration of nobody/nothing is not here"), torch.device("meta"):
        vlm.build(VlmModel(base="nobody/nothing"))


def test_half_a_base_is_none(tmp_path):
    folder = tiny_vlm.save(tmp_path / "base")
    (folder / bases.INDEX).write_text('{"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}')
    assert bases.folder_of(str(folder)) is None and bases.why_not(str(folder))
    with pytest.raises(MissingError, match="holds no whole model"):
        vlm.build(VlmModel(base=str(folder)))


def test_weights_that_would_be_unpickled_are_none(tmp_path):
    folder = tiny_vlm.save(tmp_path / "base")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert bases.why_not(str(folder))


def test_a_base_that_could_be_trained_but_not_read_is_refused_before_anything_else(tmp_path):
    from transformers import LlavaConfig

    folder = tiny_vlm.save(tmp_path / "base")
    LlavaConfig().save_pretrained(folder)
    with pytest.raises(ConfigError, match=r"kind llava.*qwen2_vl, qwen2_5_vl"):
        vlm.build(VlmModel(base=str(folder)))


def test_the_known_configuration_is_counted_without_asking_anybody(monkeypatch):
    """The public numbers of Qwen2.5-VL-3B-Instruct: 3,754,622,976 weights, as its model card's files hold."""
    monkeypatch.setattr(bases, "folder_of", lambda base: None)
    assert sum(p.numel() for p in bases.skeleton(bases.QWEN).parameters()) == 3_754_622_976
