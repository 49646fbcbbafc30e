"""Chats: placeholders are expanded and never lost, labels cover the answer alone, what cannot be used is refused."""

import numpy as np
import pytest
import tiny_vlm
import torch

from weighin.core.errors import DataError, MissingError
from weighin.families.ocr import bases
from weighin.families.ocr.chat import ASPECT, IGNORED, chat_of, collate, lesson, picture_of, question
from weighin.families.ocr.line import Line

TEXT = "ଓଡ଼ିଆ ଭାଷା"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_vlm.save(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def stock(folder):
    return bases.load(folder, torch.float32)


@pytest.fixture
def chat(folder):
    return chat_of(folder, "Read this.", 600, None, None)


def line(width=90, height=20, seed=0):
    return Line(np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8))


def test_placeholders_are_expanded_to_as_many_tokens_as_the_image_has_features(chat, stock):
    asked = question(chat, line())
    rows, columns = asked["image_grid_thw"][0, 1:].tolist()
    assert int((asked["input_ids"] == chat.image).sum()) == rows * columns // 4 > 4
    with torch.no_grad():
        assert torch.isfinite(stock(**asked).logits).all()


def test_the_error_of_the_source_comes_from_text_without_a_placeholder(chat, stock):
    """Its first way: the prompt as a bare string beside the image's tensors."""
    asked = question(chat, line())
    bare = chat.processor.tokenizer("Read this.", return_tensors="pt")
    with pytest.raises(ValueError, match="Image features and image tokens do not match, tokens: 0"), torch.no_grad():
        stock(**bare, pixel_values=asked["pixel_values"], image_grid_thw=asked["image_grid_thw"])


def test_the_error_of_the_source_comes_from_cut_placeholders(chat, stock):
    """Its second way: ``truncation=True, max_length=...`` cuts the ids in the middle of the image."""
    asked = question(chat, line())
    most = int((asked["input_ids"][0] == chat.image).nonzero()[0]) + 5
    cut = {key: asked[key][:, :most] for key in ("input_ids", "attention_mask", "mm_token_type_ids")}
    with pytest.raises(ValueError, match="Image features and image tokens do not match, tokens: 5, features"), torch.no_grad():
        stock(**cut, pixel_values=asked["pixel_values"], image_grid_thw=asked["image_grid_thw"])


@pytest.mark.parametrize("most", [1, 20, 40, 70, 100, 400])
def test_no_limit_on_tokens_cuts_a_chat(folder, stock, most):
    """Either the whole chat, which the stock model takes, or an error that says what to change."""
    chat = chat_of(folder, "Read this.", most, None, None)
    for width in (8, 60, 200):
        try:
            made = collate(chat, [lesson(chat, line(width), TEXT)])
        except DataError as error:
            assert "nothing is cut" in str(error)
            continue
        assert made.input_ids.shape[1] <= most
        with torch.no_grad():
            stock(input_ids=made.input_ids, attention_mask=made.attention_mask, **made.inputs)


def test_a_template_without_an_image_part_is_refused(tmp_path):
    folder = tiny_vlm.save(tmp_path / "base")
    (folder / "chat_template.jinja").write_text("{% for m in messages %}<|im_start|>{{ m['content'][1]['text'] }}{% endfor %}")
    with pytest.raises(DataError, match=r"refuses the line|0 image tokens"):
        question(chat_of(folder, "Read this.", 600, None, None), line())


def test_a_prompt_that_brings_its_own_placeholder_is_refused(folder):
    with pytest.raises(DataError, match="refuses the line"):
        question(chat_of(folder, "Read <|image_pad|> this.", 600, None, None), line())


def test_labels_are_the_answer_and_its_end_and_nothing_else(chat):
    made = collate(chat, [lesson(chat, line(90), TEXT), lesson(chat, line(31), "a")])
    for row, labels, text in zip(made.input_ids, made.labels, (TEXT, "a")):
        kept = labels != IGNORED
        assert torch.equal(row[kept], labels[kept])
        assert chat.processor.tokenizer.decode(labels[kept].tolist()) == text + "<|im_end|>"
        assert not (labels == chat.image).any()
    assert (made.labels[:, : -made.tail + 1] == IGNORED).all() and (made.labels[:, 1 - made.tail] != IGNORED).any()
    assert (made.attention_mask[1] == 0).any() and (made.labels[1][made.attention_mask[1] == 0] == IGNORED).all()


def test_without_a_token_for_padding_the_end_of_an_answer_is_still_learned(tmp_path):
    """Where the end pads as well, masking labels by the token's number would unlearn it."""
    chat = chat_of(tiny_vlm.save(tmp_path / "base", pad=False), "Read this.", 600, None, None)
    assert chat.processor.tokenizer.pad_token_id is None and chat.pad == chat.stop
    made = collate(chat, [lesson(chat, line(90), TEXT), lesson(chat, line(31), "a")])
    assert [(labels == chat.stop).sum().item() for labels in made.labels] == [1, 1]


@pytest.mark.parametrize("text", ["", "  ", "a<|im_end|>b", "<|image_pad|>"])
def test_a_sample_that_cannot_be_used_raises(chat, text):
    with pytest.raises(DataError):
        lesson(chat, line(), text)


def test_padding_changes_no_answer(chat, stock):
    alone, beside = lesson(chat, line(31), "a"), lesson(chat, line(90), TEXT)
    one, two = collate(chat, [alone]), collate(chat, [alone, beside])
    with torch.no_grad():
        single, both = (stock(b.input_ids, b.attention_mask, **b.inputs).logits[0] for b in (one, two))
    assert torch.allclose(single, both[: len(single)], atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1), (48, 20_000), (3, 5)])
def test_lines_of_any_shape_are_taken_with_their_pixels_unchanged(chat, size):
    given = line(size[1], size[0])
    shown = np.asarray(picture_of(given).convert("L"))
    assert max(shown.shape) / min(shown.shape) <= ASPECT
    assert shown.astype(np.int64).sum() - 255 * (shown.size - given.pixels.size) == given.pixels.astype(np.int64).sum()
    assert question(chat, given)["image_grid_thw"].prod() >= 4


def test_a_folder_without_a_processor_is_told(tmp_path):
    tiny_vlm.configuration(tiny_vlm.tokenizer()).save_pretrained(tmp_path)
    with pytest.raises(MissingError, match="holds no processor"):
        chat_of(tmp_path, "Read this.", 600, None, None)


def test_a_tokenizer_without_a_template_is_told(tmp_path):
    folder = tiny_vlm.save(tmp_path / "base")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(MissingError, match="no chat template"):
        chat_of(folder, "Read this.", 600, None, None)


def test_sizes_of_pictures_are_dials(folder):
    few, many = (chat_of(folder, "Read this.", 600, least, most) for least, most in ((None, 512), (2048, None)))
    assert question(few, line())["image_grid_thw"].prod() * 16 <= 512
    assert question(many, line(8, 8))["image_grid_thw"].prod() * 16 >= 2048
