"""Pretrained vision-language models that are not trained here: where they lie, what they are, which bytes exactly."""

import copy
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from weighin.core.errors import ConfigError, MissingError
from weighin.core.files import hash_json, hash_path

QWEN = "Qwen/Qwen2.5-VL-3B-Instruct"
PATTERNS = ("*.json", "*.safetensors", "*.jinja", "merges.txt", "tokenizer.model")  # nothing that would be unpickled
INDEX = "model.safetensors.index.json"

# Public configurations (config.json on the hub), so that parameters can be counted where there is no network.
KNOWN: Mapping[str, dict[str, Any]] = {
    QWEN: {
        "model_type": "qwen2_5_vl",
        "vision_start_token_id": 151652,
        "vision_end_token_id": 151653,
        "image_token_id": 151655,
        "video_token_id": 151656,
        "tie_word_embeddings": True,
        "text_config": {
            "vocab_size": 151936,
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "max_position_embeddings": 128000,
            "rms_norm_eps": 1e-6,
            "bos_token_id": 151643,
            "eos_token_id": 151645,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
            "tie_word_embeddings": True,
        },
        "vision_config": {
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 2048,
            "patch_size": 14,
            "window_size": 112,
            "tokens_per_second": 2,
            "fullatt_block_indexes": [7, 15, 23, 31],
        },
    }
}


def folder_of(base: str) -> Path | None:
    """Where the whole base lies: a local folder, or its copy in the hub's cache; None where it (or a part) is not here."""
    path = Path(base).expanduser()
    if not path.is_dir():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            path = Path(snapshot_download(base, allow_patterns=list(PATTERNS), local_files_only=True))
        except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError):
            return None
    return path if _whole(path) else None


def _whole(folder: Path) -> bool:
    """Whether configuration and every file of weights are there: an interrupted download is not taken for a base."""
    index = folder / INDEX
    try:
        wanted = set(json.loads(index.read_text())["weight_map"].values()) if index.exists() else {"model.safetensors"}
    except (ValueError, KeyError):
        return False
    return all((folder / name).is_file() for name in ("config.json", *wanted))


def fetched(base: str) -> Path:
    """The folder of the base, downloaded where it is not here. Raises MissingError in one sentence."""
    found = folder_of(base)
    if found:
        return found
    if Path(base).expanduser().is_dir() or base.startswith(("/", ".", "~")):
        hint = "A base is a folder with config.json and *.safetensors, as save_pretrained writes it"
        raise MissingError(f"{base} holds no whole model", hint=hint)
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(base, allow_patterns=list(PATTERNS))
    except Exception as error:  # the hub, its HTTP client and the disk share no class of errors
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise MissingError(f"The weights of {base} could not be fetched: {reason[:200]}", hint=_hint(base)) from error
    found = folder_of(base)
    if found is None:
        raise MissingError(f"{base} on the hub holds no safetensors", hint="Only safetensors are read; nothing is unpickled")
    return found


def _hint(base: str) -> str:
    return f"Fetch them where there is a network (hf download {base}), or set model.vlm.base to a folder that holds them"


def why_not(base: str) -> str | None:
    """One sentence where the weights are not here. Nothing is downloaded to find out."""
    return None if folder_of(base) else f"needs the weights of {base}, which are not here. {_hint(base)}."


def configuration(base: str) -> Any:
    """The base's configuration: its own where it is here, else the public one in this file. Raises MissingError."""
    from transformers import AutoConfig

    found = folder_of(base)
    if found:
        return AutoConfig.from_pretrained(found, local_files_only=True)
    if base not in KNOWN:
        raise MissingError(f"The configuration of {base} is not here", f"Known without it: {', '.join(KNOWN)}", _hint(base))
    return AutoConfig.for_model(**copy.deepcopy(KNOWN[base]))  # it changes the parts that it is given


def check_kind(base: str, kinds: Sequence[str]) -> None:
    """Raises ConfigError for a base of a kind that can be trained but not read, before anything is loaded."""
    kind = configuration(base).model_type
    if kind not in kinds:
        raise ConfigError(
            f"{base} is a model of kind {kind}", f"Those that can be read are {', '.join(kinds)}", "Set model.vlm.base"
        )


def skeleton(base: str) -> nn.Module:
    """The base without weights, on the meta device: for counting."""
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(configuration(base))


def load(folder: Path, dtype: torch.dtype) -> nn.Module:
    """The base in ``folder``, safetensors only, in eval mode. Raises MissingError for what is no image-text model."""
    from transformers import AutoModelForImageTextToText
    from transformers.utils import logging as talk

    talk.disable_progress_bar()
    before = logging.getLogger("transformers").level
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        return AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True, attn_implementation="sdpa"
        )
    except (ValueError, OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise MissingError(f"{folder} cannot be read as a model of images and text: {reason}") from error
    finally:
        logging.getLogger("transformers").setLevel(before)


def hash_of(folder: Path) -> str:
    """SHA-256 of the base's configuration and weights, whatever the folder is called."""
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    return hash_json([(path.name, hash_path(path.resolve())) for path in files])
