"""A vision-language model as two pure functions: the image's features, and one step of the decoder with its cache.

Written for Qwen2-VL and Qwen2.5-VL (https://arxiv.org/abs/2502.13923), over the base's own layers. The stock vision tower
splits its sequence by lengths that it reads out of tensors, which no exporter can follow: here the same attention is a mask.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from weighin.core.family import Part

KINDS = ("qwen2_vl", "qwen2_5_vl")  # of bases, as their configurations say
START = 1  # entries of an empty cache: zeros that nothing attends to, as some runtimes cannot hold empty tensors


class Eye(nn.Module):
    """The vision tower on one image."""

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, patches: Tensor, places: Tensor, windows: Tensor) -> tuple[Tensor]:
        """[F, 4 * pixels], rows and columns [F, 4, 2], windows [F, 4] -> features [F, D]; F merged patches of 2 x 2."""
        visual = self.visual
        x = visual.patch_embed(patches.reshape(windows.numel(), -1))  # [P, C]
        angles = visual.rotary_pos_emb(x, places.reshape(-1, 2))  # cosine and sine, [P, C / heads] each
        window = windows.reshape(-1)
        near = window[:, None] == window[None, :]  # [P, P]
        full = getattr(visual, "fullatt_block_indexes", range(len(visual.blocks)))  # Qwen2-VL has no windows
        for number, block in enumerate(visual.blocks):
            mask = None if number in full else near
            x = x + _attend(block.attn, block.norm1(x), angles, mask)
            x = x + block.mlp(block.norm2(x))
        return (visual.merger(x),)


def _attend(layer: Any, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
    """Attention of one image's patches [P, C], among those that ``mask`` [P, P] allows."""
    q, k, v = layer.qkv(x).reshape(x.shape[0], 3, layer.num_heads, layer.head_dim).permute(1, 2, 0, 3).unbind(0)  # [H, P, d]
    q, k = (y * angles[0] + _turned(y) * angles[1] for y in (q, k))
    seen = scaled_dot_product_attention(q[None], k[None], v[None], mask)[0]  # [H, P, d]
    return layer.proj(seen.transpose(0, 1).reshape(x.shape[0], -1))


def _turned(x: Tensor) -> Tensor:
    """The second half of the last axis, negated, before the first: a quarter turn of every pair."""
    first, second = x.chunk(2, -1)
    return torch.cat([-second, first], -1)


class Past:
    """Keys and values [L, B, H, S, d] in the place of a transformers cache: it answers, and never changes them."""

    is_compileable = False

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.given = (keys, values)
        self.made: dict[int, tuple[Tensor, Tensor]] = {}

    def update(self, key: Tensor, value: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """The layer's keys and values [B, H, S + T, d]."""
        keys, values = self.given
        self.made[layer] = (torch.cat([keys[layer], key], 2), torch.cat([values[layer], value], 2))
        return self.made[layer]

    def get_seq_length(self, layer: int = 0) -> int:
        """Entries that are there."""
        return self.given[0].shape[3]

    def grown(self) -> tuple[Tensor, Tensor]:
        """All keys and values [L, B, H, S + T, d]."""
        keys, values = zip(*(self.made[layer] for layer in sorted(self.made)))
        return torch.stack(keys), torch.stack(values)


class Decoder(nn.Module):
    """The language model for any number of new tokens behind a cache."""

    def __init__(self, base: Any) -> None:
        super().__init__()
        self.words = base.get_input_embeddings()
        self.body = base.get_decoder()
        self.head = base.get_output_embeddings()
        self.image = int(base.config.image_token_id)

    def forward(self, ids: Tensor, features: Tensor, positions: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, ...]:
        """[B, T], [F, D], [3, B, T], [L, B, H, S, d] twice -> logits [B, V] of the last token, and the cache with S + T.

        Placeholders among the ids get the features in their order. The first START entries of a cache are not seen.
        """
        shown = ids == self.image  # [B, T]
        order = (shown.flatten().cumsum(0) - 1).clamp(0, features.shape[0] - 1).view(ids.shape)
        x = torch.where(shown[..., None], features[order], self.words(ids))  # [B, T, D]
        past = Past(keys, values)
        after = torch.arange(keys.shape[3] + ids.shape[1])  # [S + T]
        seen = (after[None, :] - keys.shape[3] <= torch.arange(ids.shape[1])[:, None]) & (after >= START)  # [T, S + T]
        mask = torch.where(seen, 0.0, -math.inf)[None, None].expand(ids.shape[0], 1, -1, -1)
        x = self.body(
            inputs_embeds=x, attention_mask=mask, position_ids=positions, past_key_values=past, use_cache=True
        ).last_hidden_state
        return self.head(x[:, -1]), *past.grown()


def parts_of(base: Any) -> Mapping[str, Part]:
    """``image`` and ``decoder`` of a base in float32, adapters merged."""
    image = Part(
        Eye(base.model.visual),
        inputs=("patches", "places", "windows"),
        outputs=("features",),
        axes={name: {0: "features"} for name in ("patches", "places", "windows", "features")},
    )
    cache = {1: "batch", 3: "past"}
    decoder = Part(
        Decoder(base),
        inputs=("ids", "features", "positions", "keys", "values"),
        outputs=("logits", "keys_after", "values_after"),
        axes={
            "ids": {0: "batch", 1: "tokens"},
            "features": {0: "features"},
            "positions": {1: "batch", 2: "tokens"},
            "keys": cache,
            "values": cache,
        },
    )
    return {"image": image, "decoder": decoder}
