"""The one training loop: Lightning runs the steps; budgets, schedule, EMA, distillation and exact resume are here.

Every random draw is a function of (seed, micro-step), never of a generator that runs along; so a run that was
killed and resumed sees the same batches, augmentation and dropout as one that was not.
"""

import copy
import itertools
import json
import logging
import math
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from weighin.core.config import Recipe, Variant
from weighin.core.engine import Say, silent
from weighin.core.errors import RunError
from weighin.core.family import Example, Family
from weighin.core.files import write_text
from weighin.core.run import load_tensors, save_tensors
from weighin.steps.distances import distance

STOPS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Teacher:
    """A trained model to learn from: its own variant decides how it sees a batch."""

    model: nn.Module
    variant: Variant[Any, Any]
    folder: Path


@dataclass
class Training:
    """All that one training needs; ``folder`` is the run's."""

    family: Family[Any, Any, Any]
    variant: Variant[Any, Any]
    model: nn.Module
    folder: Path
    train: Sequence[Example[Any, Any]]
    validation: Sequence[Example[Any, Any]]
    teacher: Teacher | None = None
    say: Say = silent
    loggers: Sequence[Logger] = field(default_factory=tuple)

    @property
    def recipe(self) -> Recipe:
        """The variant's recipe."""
        return self.variant.recipe


class Feed(IterableDataset[Any]):
    """Micro-batches from number ``start`` on: (batch, the teacher's batch or None)."""

    def __init__(self, job: Training, start: int) -> None:
        self.job, self.start = job, start

    def __iter__(self) -> Iterator[Any]:
        recipe = self.job.recipe
        last = None if recipe.steps is None else recipe.steps * recipe.accumulate
        orders: dict[int, np.ndarray] = {}
        for number in itertools.count(self.start):
            if last is not None and number >= last:
                return
            yield number, *self._make(number, orders)

    def _make(self, number: int, orders: dict[int, np.ndarray]) -> tuple[Any, Any]:
        job, recipe, total = self.job, self.job.recipe, len(self.job.train)
        first = number * recipe.batch
        picks = []
        for position in range(first, first + recipe.batch):
            epoch, place = divmod(position, total)
            if epoch not in orders:
                orders.pop(epoch - 2, None)
                orders[epoch] = np.random.default_rng([recipe.seed, 0, epoch]).permutation(total)
            picks.append(int(orders[epoch][place]))
        rng = np.random.default_rng([recipe.seed, 1, number])
        examples = job.family.augment(job.variant, [job.train[i] for i in picks], rng)
        batch = job.family.batch(job.variant, examples, job.folder / "assets")
        teacher = job.teacher
        return batch, job.family.batch(teacher.variant, examples, teacher.folder / "assets") if teacher else None


class Loop(lightning.LightningModule):
    """One step = forward, named losses, backward; the house's dials around it."""

    def __init__(self, job: Training) -> None:
        super().__init__()
        self.job = job
        self.model = job.model
        self.shadow = copy.deepcopy(job.model).requires_grad_(False) if job.recipe.ema else None
        self.step = 0  # optimizer steps over all sittings
        self.spent = [0.0, 0.0]  # wall and CPU seconds of earlier sittings
        self.began = (time.perf_counter(), time.process_time())
        self.best, self.waited = math.inf, 0
        self.stopped_by, self.interrupted = "", False
        self.losses: dict[str, float] = {}
        self.logged = -1.0
        self.optimizer: torch.optim.Optimizer | None = None
        self.__dict__["teacher"] = job.teacher  # not a submodule: neither trained nor saved

    # --- progress ---------------------------------------------------------------------------------

    def seconds(self) -> tuple[float, float]:
        """Wall and CPU seconds of all sittings."""
        return self.spent[0] + time.perf_counter() - self.began[0], self.spent[1] + time.process_time() - self.began[1]

    def share(self) -> tuple[float, str]:
        """Share of the run that is done, by the budget that is nearest to its end, and that budget's name."""
        recipe, (wall, cpu) = self.job.recipe, self.seconds()
        budgets = (
            ("steps", self.step, recipe.steps),
            ("minutes", wall / 60, recipe.minutes),
            ("cpu_minutes", cpu / 60, recipe.cpu_minutes),
        )
        return max((done / budget, name) for name, done, budget in budgets if budget)

    def stop(self, *_: Any) -> None:
        """The first Ctrl-C or SIGTERM ends the run after the step in hand, with a resume point; a second one at once."""
        self.interrupted = True
        for number in STOPS:
            signal.signal(number, signal.default_int_handler)

    # --- Lightning's hooks ------------------------------------------------------------------------

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW (Loshchilov and Hutter 2019); vectors (norms, biases) without weight decay."""
        recipe = self.job.recipe
        wanted = [p for p in self.model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in wanted if p.ndim >= 2], "weight_decay": recipe.weight_decay},
            {"params": [p for p in wanted if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=recipe.lr, betas=(0.9, 0.98), fused=True)
        if (self.job.folder / "resume.safetensors").exists():
            self._restore()
        _cut_log(self.job.folder / "log.jsonl", self.step)
        return self.optimizer

    def on_train_start(self) -> None:
        """Takes over the signals: Lightning, which has just set its own, would drop what was learned since the last point."""
        if threading.current_thread() is threading.main_thread():
            for number in STOPS:
                signal.signal(number, self.stop)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Sets the rate for the share of the run, and the seed of this micro-step's dropout."""
        assert self.optimizer is not None
        rate = self.job.recipe.lr * schedule(self.job.recipe, self.share()[0])
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed(hash((self.job.recipe.seed, batch[0])) % 2**63)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The sum of the named losses."""
        _, own, theirs = batch
        losses = self._losses(own, theirs)
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise RunError(
                f"The loss is not finite at step {self.step}", hint="Try a lower recipe.lr, or recipe.precision=fp32"
            )
        self.losses = {name: float(value.detach()) for name, value in losses.items()}
        return total

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clips here, not in Lightning: it refuses to with a fused optimizer in bf16."""
        if self.job.recipe.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.job.recipe.clip)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """After an optimizer step: EMA, log, evaluation, resume point, budgets."""
        recipe = self.job.recipe
        if (batch_idx + 1) % recipe.accumulate:
            return
        self.step += 1
        if self.shadow is not None:
            _average(self.shadow, self.model, min(recipe.ema or 0.0, (1 + self.step) / (10 + self.step)))
        share, budget = self.share()
        if recipe.evaluate_every and self.step % recipe.evaluate_every == 0:
            self._evaluate()
        self._log(share)
        if share >= 1:
            self.stopped_by = budget
        if self.step % recipe.save_every == 0 or self.interrupted:
            self._save()
        self.trainer.should_stop = bool(self.stopped_by) or self.interrupted

    # --- the work ---------------------------------------------------------------------------------

    def _losses(self, own: Any, theirs: Any) -> dict[str, Tensor]:
        recipe, outputs = self.job.recipe, self.model(own)
        losses = (
            {name: recipe.hard * value for name, value in self.job.family.loss(outputs, own, self.job.variant).items()}
            if recipe.hard
            else {}
        )
        if self.job.teacher and recipe.match:
            with torch.no_grad():
                wanted = self.job.teacher.model(theirs)
            for name, match in recipe.match.items():
                losses[f"match_{name}"] = match.weight * distance(match, outputs[name], wanted[name])
        return losses

    @torch.no_grad()
    def _evaluate(self) -> None:
        """Mean loss on validation examples; stops the run when it has not fallen for ``patience`` evaluations."""
        model, job = self.shadow if self.shadow is not None else self.model, self.job
        model.eval()
        total = 0.0
        for start in range(0, len(job.validation), job.recipe.batch):
            examples = [job.validation[i] for i in range(start, min(start + job.recipe.batch, len(job.validation)))]
            batch = self.trainer.strategy.batch_to_device(job.family.batch(job.variant, examples, job.folder / "assets"))
            total += sum(float(v) for v in job.family.loss(model(batch), batch, job.variant).values()) * len(examples)
        self.model.train()
        mean = total / max(1, len(job.validation))
        self.losses["validation"] = mean
        self.best, self.waited = (mean, 0) if mean < self.best else (self.best, self.waited + 1)
        if job.recipe.patience and self.waited >= job.recipe.patience:
            self.stopped_by = "patience"

    def _log(self, share: float) -> None:
        """At most a line a half per cent of the run, and every evaluation."""
        if share < self.logged + 0.005 and "validation" not in self.losses and share < 1:
            return
        wall, cpu = self.seconds()
        self.logged = share
        line = {
            "step": self.step,
            "minutes": wall / 60,
            "cpu_minutes": cpu / 60,
            "loss": sum(v for k, v in self.losses.items() if k != "validation"),
            **self.losses,
        }
        with (self.job.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for logger in self.job.loggers:
            logger.log_metrics(line, self.step)
        self.job.say(f"train {self.job.variant.name}", min(1.0, share), f"loss {line['loss']:.3f}")

    def _save(self) -> None:
        """The resume point: weights, averages, optimizer, counters - as safetensors, atomically."""
        assert self.optimizer is not None
        tensors = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        if self.shadow is not None:
            tensors |= {f"shadow.{n}": t for n, t in self.shadow.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{n}": torch.as_tensor(t) for n, t in state.items()}
        wall, cpu = self.seconds()
        meta = {
            "step": self.step,
            "wall": wall,
            "cpu": cpu,
            "best": self.best,
            "waited": self.waited,
            "stopped_by": self.stopped_by,
        }
        save_tensors(self.job.folder / "resume.safetensors", tensors, {"state": json.dumps(meta)})

    def _restore(self) -> None:
        assert self.optimizer is not None
        path = self.job.folder / "resume.safetensors"
        tensors, meta = load_tensors(path), resume_state(path)
        self.model.load_state_dict(_below(tensors, "model."))
        if self.shadow is not None:
            self.shadow.load_state_dict(_below(tensors, "shadow."))
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below(tensors, "optimizer.").items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.step, self.spent = meta["step"], [meta["wall"], meta["cpu"]]
        self.best, self.waited, self.stopped_by = meta["best"], meta["waited"], meta["stopped_by"]


def resume_state(path: Path) -> dict[str, Any]:
    """The counters of a resume point."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["state"])


def fit(job: Training) -> tuple[nn.Module, dict[str, Any]]:
    """Trains to the end of the budget. Returns the model (averaged weights where the recipe says so) and the cost.

    Raises KeyboardInterrupt after a resume point was written when the process is told to stop.
    """
    loop = Loop(job)
    path = job.folder / "resume.safetensors"
    start = resume_state(path) if path.exists() else {"step": 0, "stopped_by": ""}
    feed = DataLoader(Feed(job, start["step"] * job.recipe.accumulate), batch_size=None)
    with _quiet(), _signals():
        trainer = lightning.Trainer(
            max_epochs=1,
            precision="bf16-mixed" if job.recipe.precision == "bf16" else "32-true",
            accumulate_grad_batches=job.recipe.accumulate,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            devices=1,
        )
        finished = start["stopped_by"] or start["step"] >= (job.recipe.steps or math.inf)
        trainer.fit(loop, [] if finished else feed)
    if loop.interrupted:
        raise KeyboardInterrupt
    wall, cpu = loop.seconds()
    cost = {
        "steps": loop.step,
        "minutes": wall / 60,
        "cpu_minutes": cpu / 60,
        "examples_seen": loop.step * job.recipe.batch * job.recipe.accumulate,
        "stopped_by": loop.stopped_by or "steps",
        "threads": torch.get_num_threads(),
        "device": str(trainer.strategy.root_device),
    }
    return (loop.shadow if loop.shadow is not None else loop.model).cpu().eval(), cost


def schedule(recipe: Recipe, share: float) -> float:
    """Factor on the rate at a share of the run: linear warm-up, then cosine (Loshchilov and Hutter 2017)."""
    if share < recipe.warmup:
        return max(share / recipe.warmup, 1e-3)
    rest = min(1.0, (share - recipe.warmup) / (1 - recipe.warmup))
    return {"cosine": 0.5 * (1 + math.cos(math.pi * rest)), "linear": 1 - rest, "constant": 1.0}[recipe.schedule]


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


@torch.no_grad()
def _average(shadow: nn.Module, model: nn.Module, decay: float) -> None:
    """Exponential moving average (Polyak and Juditsky 1992) of weights and float buffers; counters are copied."""
    for old, new in zip(shadow.state_dict().values(), model.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - decay)
        else:
            old.copy_(new)


def _cut_log(path: Path, step: int) -> None:
    """Drops lines behind the resume point: they are about to be made again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            kept += [line + "\n"] if json.loads(line)["step"] <= step else []
        except ValueError:
            break  # a line cut off by the kill is the last
    write_text(path, "".join(kept))


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's advice (workers, loggers, tips) is for its own users, not for ours."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PossibleUserWarning)
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        warnings.filterwarnings("ignore", message=".*barrier.*device under current context.*")
        yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@contextmanager
def _signals() -> Iterator[None]:
    """Puts back the handlers of SIGINT and SIGTERM that the training replaced."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
