"""A Qwen2.5-VL of a few thousand random weights in the hub's format, with a byte-level tokenizer and a processor."""

import json
from pathlib import Path

import torch
from transformers import (
    AutoModelForImageTextToText,
    Qwen2_5_VLConfig,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLImageProcessorPil,
)

LOUD = 0.3  # standard deviation of the weights: with the usual 0.02 a model of this size answers the same to everything
VISION = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *VISION)
TEMPLATE = """\
{%- for message in messages %}<|im_start|>{{ message['role'] }}
{% for part in message['content'] -%}
{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}
{%- endfor %}<|im_end|>
{% endfor -%}
{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def byte_symbols() -> list[str]:
    """The printable character that byte-level BPE writes for each of the 256 bytes (Radford et al. 2019)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def tokenizer(pad: bool = True) -> Qwen2Tokenizer:
    """Bytes and the special tokens; ``pad=False``: none is set for padding."""
    made = Qwen2Tokenizer(vocab={symbol: number for number, symbol in enumerate(byte_symbols())}, merges=[])
    made.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    made.eos_token = "<|im_end|>"
    made.pad_token = "<|endoftext|>" if pad else None
    made.chat_template = TEMPLATE
    return made


def configuration(words: Qwen2Tokenizer, windows: bool = True) -> Qwen2_5_VLConfig | Qwen2VLConfig:
    """Two layers each, four heads over two for keys, windows of two by two merged patches; without: Qwen2-VL."""
    text = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "bos_token_id": words.convert_tokens_to_ids("<|endoftext|>"),
        "eos_token_id": words.convert_tokens_to_ids("<|im_end|>"),
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]},
        "tie_word_embeddings": True,
        "initializer_range": LOUD,
    }
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": 4,
        "window_size": 16,
        "out_hidden_size": 32,
        "fullatt_block_indexes": [1],
        "initializer_range": LOUD,
    }
    start, end, image, video = (int(str(words.convert_tokens_to_ids(token))) for token in VISION)
    tokens = {"vision_start_token_id": start, "vision_end_token_id": end, "image_token_id": image, "video_token_id": video}
    if not windows:
        eyes = {"embed_dim": 32, "hidden_size": 32, "depth": 2, "num_heads": 2, "patch_size": 4, "initializer_range": LOUD}
        return Qwen2VLConfig(text_config=text, vision_config=eyes, tie_word_embeddings=True, **tokens)  # type: ignore[arg-type]
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **tokens)  # type: ignore[arg-type]


def save(folder: Path, seed: int = 0, pad: bool = True, windows: bool = True) -> Path:
    """Writes the model as ``save_pretrained`` does, and what the processor is made of."""
    words = tokenizer(pad)
    torch.manual_seed(seed)
    AutoModelForImageTextToText.from_config(configuration(words, windows)).save_pretrained(folder)
    words.save_pretrained(folder)
    eyes = Qwen2VLImageProcessorPil(patch_size=4, merge_size=2, size={"shortest_edge": 8 * 8, "longest_edge": 8 * 8 * 64})
    written = eyes.to_dict() | {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor" if windows else "Qwen2VLProcessor",
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(written))
    return folder
