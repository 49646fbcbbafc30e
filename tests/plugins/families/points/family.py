"""A whole family in one file: which of three arms of a spiral does a point belong to? Used to test the house."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from weighin.core.config import Recipe, Settings, Variant
from weighin.core.errors import DataError, InputError
from weighin.core.family import Bound, Check, Example, Family, Part, Predictor, Score, Split, Tally, shifted
from weighin.core.tool import Tool, ToolCall, Tools


class Model(Settings):
    width: int = 16
    dropout: float = 0.1


class Use(Settings):
    bias: float = 0.0


Point = tuple[float, float]


@dataclass
class Batch:
    points: Tensor  # [B, 2]
    arms: Tensor  # [B]


class Net(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(2, model.width),
            nn.BatchNorm1d(model.width),
            nn.ReLU(),
            nn.Dropout(model.dropout),
            nn.Linear(model.width, model.width),
            nn.ReLU(),
            nn.Linear(model.width, 3),
        )

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return {"logits": self.body(batch.points)}


class Bare(nn.Module):
    def __init__(self, net: Net) -> None:
        super().__init__()
        self.body = net.body

    def forward(self, points: Tensor) -> tuple[Tensor]:
        return (self.body(points),)


class Points(Family[Point, int, int]):
    name = "points"
    about = "arms of a spiral"
    scores = (Score("top1", "", "higher", binary=True), Score("distance", "arms", "lower"))

    def variants(self) -> Mapping[str, Variant[Model, Use]]:
        nano = Variant[Model, Use](
            name="nano", model=Model(), recipe=Recipe(steps=300, batch=32, lr=1e-2, ema=0.9, save_every=50), predict=Use()
        )
        wide = nano.but("wide", **{"model.width": 64})
        biased = nano.but("biased", about="the same weights, used otherwise", **{"predict.bias": 0.5})
        taught = nano.but(
            "taught", **{"recipe.teacher": "wide", "recipe.match": {"logits": {"distance": "kl", "temperature": 2.0}}}
        )
        relabelled = nano.but("relabelled", **{"recipe.teacher": "wide", "recipe.relabel": True})
        tuned = nano.but("tuned", **{"recipe.init": "nano", "recipe.steps": 50, "recipe.lr": 1e-3})
        both = nano.but("both", of=("nano", "wide"))
        return {v.name: v for v in (nano, wide, biased, taught, relabelled, tuned, both)}

    def examples(self, data: str, split: Split) -> Sequence[Example[Point, int]]:
        if data != "synthetic":
            raise DataError(f"No data {data!r}", "There is: synthetic")
        number = {"train": 0, "validation": 1, "test": 2}[split]
        rng = np.random.default_rng([7, number])
        t, arm = rng.uniform(0.2, 1, 600), rng.integers(0, 3, 600)
        angle = 4 * t + arm * 2 * np.pi / 3
        xy = np.stack([t * np.cos(angle), t * np.sin(angle)], 1) + rng.normal(0, 0.03, (600, 2))
        return [
            Example(f"{split}-{i}", f"{split}-{i // 5}", (float(x), float(y)), int(a), f"arm{a}")
            for i, ((x, y), a) in enumerate(zip(xy, arm))
        ]

    def batch(self, variant: Variant[Model, Use], examples: Sequence[Example[Point, int]], folder: Path) -> Batch:
        scale = json.loads((folder / "scale.json").read_text())["scale"]
        return Batch(torch.tensor([e.x for e in examples]) * scale, torch.tensor([e.y for e in examples]))

    def augment(self, variant, examples, rng):
        return [
            Example(e.id, e.group, (e.x[0] + rng.normal(0, 0.01), e.x[1] + rng.normal(0, 0.01)), e.y, e.kind) for e in examples
        ]

    def build(self, variant: Variant[Model, Use]) -> Net:
        return Net(variant.model)

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch, variant: Variant[Model, Use]) -> Mapping[str, Tensor]:
        return {"cross_entropy": functional.cross_entropy(outputs["logits"], batch.arms)}

    def prepare(self, model, variant, examples, folder: Path) -> None:
        (folder / "scale.json").write_text(json.dumps({"scale": 2.0}))

    def parts(self, model: nn.Module, variant: Variant[Model, Use]) -> Mapping[str, Part]:
        assert isinstance(model, Net)
        return {"net": Part(Bare(model), ("points",), ("logits",), {"points": {0: "batch"}})}

    def predictor(self, parts: Mapping[str, Bound], variant: Variant[Model, Use], folder: Path) -> Predictor[Point, int]:
        scales = [json.loads(p.read_text())["scale"] for p in sorted(folder.rglob("scale.json"))]

        def predict(points: Sequence[Point]) -> list[int]:
            if not len(points):
                return []
            if any(not isinstance(p, tuple) or len(p) != 2 for p in points):
                raise InputError("A point is a pair of numbers")
            x = torch.tensor(points, dtype=torch.float32) * scales[0]
            logits = torch.stack([part(x)[0] for part in parts.values()]).mean(0)  # [B, 3]
            return (logits + torch.tensor([variant.predict.bias, 0, 0])).argmax(1).tolist()

        return predict

    def read(self, raw: bytes) -> Point:
        try:
            x, y = json.loads(raw)
            return float(x), float(y)
        except (ValueError, TypeError):
            raise InputError(f"{raw[:40]!r} is no point", "A point is JSON such as [0.1, 0.2]") from None

    def show(self, y: int) -> dict[str, int]:
        return {"arm": y}

    def brief(self, y: int) -> str:
        return str(y)

    def relabel(self, example: Example[Point, int], y: int) -> Example[Point, int]:
        return shifted(example, y)

    def score(self, predicted: Sequence[int], examples: Sequence[Example[Point, int]]) -> Mapping[str, Tally]:
        apart = [abs(p - e.y) for p, e in zip(predicted, examples, strict=True)]
        return {"top1": Tally.of([a == 0 for a in apart]), "distance": Tally.of(apart)}

    def checks(self, predict: Predictor[Point, int], examples: Sequence[Example[Point, int]]) -> Sequence[Check]:
        answers = predict([e.x for e in examples])
        return [Check("answers are arms", set(answers) <= {0, 1, 2}, str(sorted(set(answers))), "0, 1, 2")]

    def tools(self) -> Tools:
        return {"vote": Tool("what most models say of the points of files", Vote, _vote, models=(1, 3))}


class Vote(Settings):
    least: int = 1  # votes that an arm needs


def _vote(call: ToolCall) -> dict[str, Any]:
    points = [Points().read(path.read_bytes()) for path in call.paths]
    answers = [model.predict(points) for model in call.models]
    (call.out / "votes.json").write_text(json.dumps(answers))
    agreed = [max(votes.count(v) for v in votes) >= call.dials.least for votes in map(list, zip(*answers))]
    return {
        "models": [m.name for m in call.models],
        "agreed": sum(agreed),
        "modules": sum(m.module is not None for m in call.models),
    }
