"""Reading: parts and loop answer as the stock model's ``generate`` does, on every runtime; readings are as promised."""

import itertools
import math

import numpy as np
import pytest
import tiny_vlm
import torch
from transformers import GenerationConfig

from weighin.core import registry
from weighin.core.errors import InputError
from weighin.core.recording import Recorder, eager
from weighin.families.ocr import bases, lora, vlm
from weighin.families.ocr.alphabet import ODIA
from weighin.families.ocr.chat import question
from weighin.families.ocr.generate import Answer, answers
from weighin.families.ocr.line import Line
from weighin.families.ocr.vlm_read import CachedDecoder, places, positions, windows
from weighin.families.ocr.vlm_use import Generation, VlmModel
from weighin.steps.parity import parity

MOST = 12
WIDTHS = (40, 90, 130)  # pixels; the windows of the eyes are 16


@pytest.fixture(scope="module", params=[True, False], ids=["qwen2.5-vl", "qwen2-vl"])
def windows_too(request):
    """Whether the base's eyes have windows."""
    return request.param


@pytest.fixture(scope="module")
def place(tmp_path_factory, windows_too):
    return tmp_path_factory.mktemp("vlm")


@pytest.fixture(scope="module")
def settings(place, windows_too):
    base = tiny_vlm.save(place / "hub", windows=windows_too)
    return VlmModel(base=str(base), rank=2, dropout=0.0, dtype="float32", max_pixels=None)


@pytest.fixture(scope="module")
def stock(settings):
    """The base as transformers loads and runs it."""
    return bases.load(bases.fetched(settings.base), torch.float32)


@pytest.fixture(scope="module")
def parts(settings, place):
    vlm.prepare(settings, place)
    return vlm.parts(vlm.build(settings))  # fresh adapters are zero: the base's own answers


@pytest.fixture(scope="module")
def lines():
    rng = np.random.default_rng(3)
    return [Line(rng.integers(0, 256, (30, width)).astype(np.uint8)) for width in WIDTHS]


def reader(parts, settings, place, **dials):
    base = registry.family("ocr").variant("vlm-qwen")
    use = base.predict.model_copy(update={"vlm": Generation(most=MOST, **dials)})
    model = base.model.model_copy(update={"vlm": settings})
    return vlm.reader(parts, base.model_copy(update={"model": model, "predict": use}), place)


def found(read, line, **dials):
    """Answers without their end, best first."""
    decoder = CachedDecoder(read.parts, read.shape)
    first = decoder.ask(question(read.chat, line), read.chat.image)
    return answers(first, decoder.step, read.shape.stops, Generation(most=MOST, **dials), seed=0)


def generated(stock, read, line, **how):
    asked = question(read.chat, line)
    how = {"max_new_tokens": MOST, "do_sample": False, "eos_token_id": read.chat.stop, "pad_token_id": read.chat.pad} | how
    with torch.no_grad():
        rows = stock.generate(**asked, generation_config=GenerationConfig(**how))
    said = [row[asked["input_ids"].shape[1] :] for row in rows.tolist()]
    return [tuple(itertools.takewhile(lambda token: token != read.chat.stop, row)) for row in said]


def test_places_and_positions_are_the_stock_models(stock, parts, settings, place, lines):
    read = reader(eager(parts), settings, place)
    for line in lines:
        asked = question(read.chat, line)
        grid = asked["image_grid_thw"]
        wanted, _ = stock.model.get_rope_index(asked["input_ids"], asked["mm_token_type_ids"], image_grid_thw=grid)
        rows, columns = (int(n) // 2 for n in grid[0, 1:])
        assert torch.equal(positions(asked["input_ids"], read.chat.image, rows, columns), wanted)


def test_windows_are_squares_that_cover_the_grid():
    where = places(8, 12, 2)  # [24, 4, 2]
    assert torch.equal(where[0], torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]))
    seen = windows(where, 12, 4)
    assert torch.equal(torch.bincount(seen.flatten()), torch.full((6,), 16))
    assert all(len(set(row.tolist())) == 1 for row in seen), "merged patches stay together"


def test_the_first_token_is_predicted_as_by_the_stock_model(stock, parts, settings, place, lines):
    read = reader(eager(parts), settings, place)
    for line in lines:
        asked = question(read.chat, line)
        with torch.no_grad():
            wanted = stock(**asked).logits[:, -1]
        seen = CachedDecoder(read.parts, read.shape).ask(asked, read.chat.image)
        assert torch.allclose(seen, wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


def test_greedy_and_beams_are_those_of_generate(stock, parts, settings, place, lines):
    read = reader(eager(parts), settings, place)
    for line in lines:
        assert found(read, line)[0].tokens == generated(stock, read, line)[0]
        theirs = generated(stock, read, line, num_beams=3, num_return_sequences=3, early_stopping=True)
        assert [answer.tokens for answer in found(read, line, beams=3)] == theirs


def test_log_probabilities_are_those_of_the_whole_sequence(stock, parts, settings, place, lines):
    """The cache holds what a run over everything at once would have computed."""
    read = reader(eager(parts), settings, place)
    asked, answer = question(read.chat, lines[1]), found(read, lines[1])[0]
    whole = torch.cat([asked["input_ids"], torch.tensor([answer.tokens])], 1)
    kinds = torch.nn.functional.pad(asked["mm_token_type_ids"], (0, len(answer.tokens)))
    images = {key: asked[key] for key in ("pixel_values", "image_grid_thw")}
    with torch.no_grad():
        logs = stock(whole, torch.ones_like(whole), mm_token_type_ids=kinds, **images).logits[0].log_softmax(-1)
    start = asked["input_ids"].shape[1] - 1
    wanted = [float(logs[start + n, token]) for n, token in enumerate(answer.tokens)]
    assert np.allclose(answer.logs, wanted, atol=1e-4)


@pytest.mark.parametrize("runtime", ["torch", "onnx", "openvino"])
def test_every_runtime_holds_the_parts(parts, settings, place, lines, tmp_path, runtime):
    executor, recorder = registry.runtime(runtime), Recorder(eager(parts))
    if executor.why_not():
        pytest.skip(str(executor.why_not()))
    lines = lines[:2]
    original = reader(recorder.bound, settings, place)(lines)
    bound = {}
    for name, part in parts.items():
        path = tmp_path / (name + executor.suffix)
        executor.save(part, recorder.inputs(name), path)
        bound[name] = executor.load(path, 1)
        seen = parity(part, bound[name], recorder.calls(name))
        assert seen.passed and seen.n >= len(lines)
    assert [y.text for y in reader(bound, settings, place)(lines)] == [y.text for y in original]
    three = found(reader(eager(parts), settings, place), lines[0], beams=3)
    assert found(reader(bound, settings, place), lines[0], beams=3)[0].tokens == three[0].tokens


def test_draws_are_seeded_by_the_line(parts, settings, place, lines):
    read = reader(eager(parts), settings, place, temperature=1.5)
    first = [y.text for y in read(lines)]
    assert [y.text for y in read(lines[::-1])] == first[::-1], "not by the order of lines"
    assert [y.text for y in reader(eager(parts), settings, place, temperature=1.5, seed=1)(lines)] != first
    greedy = [y.text for y in reader(eager(parts), settings, place)(lines)]
    assert [y.text for y in reader(eager(parts), settings, place, temperature=1e-4)(lines)] == greedy != first


def test_one_by_one_is_all_at_once(parts, settings, place, lines):
    read = reader(eager(parts), settings, place)
    assert [read([line])[0].text for line in lines] == [y.text for y in read(lines)]
    assert read([]) == []


@pytest.mark.parametrize("wrong", [None, "nonsense", 7, Line(np.zeros((0, 4), np.uint8))])
def test_wrong_input_is_refused(parts, settings, place, wrong):
    with pytest.raises(InputError):
        reader(eager(parts), settings, place)([wrong])


def test_a_reading_is_words_with_their_tokens_probabilities(parts, settings, place, lines):
    read = reader(eager(parts), settings, place)
    text = "ଓଡ଼ିଆ ଭାଷା ab"
    tokens = read.chat.processor.tokenizer(text)["input_ids"]
    logs = tuple(-0.01 * (n + 1) for n in range(len(tokens)))
    made = read.reading([Answer(tuple(tokens), logs, -0.5), Answer(tuple(tokens[:-1]), logs[:-1], -9.0)], lines[0])
    assert made.text == ODIA.canonical(text) and [w.text for w in made.words] == made.text.split()
    assert math.isclose(math.prod(w.confidence for w in made.words) * math.exp(-0.5), made.confidence)
    assert math.isclose(made.words[2].confidence, math.exp(sum(logs[-2:]))), "a space of its own counts with the word before"
    assert made.words[0].box[0] == 0 and made.words[-1].box[1] == pytest.approx(lines[0].shape[1])
    assert all(one.box[1] < two.box[0] for one, two in zip(made.words, made.words[1:]))
    assert [text for text, _ in made.alternatives] == [made.text, made.text[:-1]]


def test_an_answer_that_stops_at_once_is_an_empty_reading(parts, settings, place, lines):
    made = reader(eager(parts), settings, place).reading([Answer((), (), -0.1)], lines[0])
    assert made.text == "" and made.words == () and made.confidence == pytest.approx(math.exp(-0.1))


def test_a_trained_adapter_changes_the_answers(settings, place, lines, parts):
    torch.manual_seed(0)
    model = vlm.build(settings)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    assert isinstance(model, lora.Vlm)
    ours, theirs = (reader(eager(p), settings, place)(lines) for p in (vlm.parts(model), parts))
    assert [y.text for y in ours] != [y.text for y in theirs]
