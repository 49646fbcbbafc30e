"""The one training loop: Lightning runs the steps; budgets, schedule, EMA, distillation and exact resume are here.

Every random draw is a function of (seed, micro-step), never of a generator that runs along; so a run that was
killed and resumed sees the same batches, augmentation and dropout as one that was not.
"""

import copy
import json
import logging
import math
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning
from torch import Tensor, nn
from torch.utils.data import DataLoader

from weighin.core.config import Recipe
from weighin.core.errors import RunError, unknown
from weighin.core.files import storing
from weighin.steps import resume
from weighin.steps.distances import distance
from weighin.steps.feed import Feed, Training

STOPS = (signal.SIGINT, signal.SIGTERM)


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

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW (Loshchilov and Hutter 2019); vectors (norms, biases) without weight decay."""
        recipe = self.job.recipe
        wanted = [p for p in self.model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in wanted if p.ndim >= 2], "weight_decay": recipe.weight_decay},
            {"params": [p for p in wanted if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=recipe.lr, betas=(0.9, 0.98), fused=True)
        if resume.path_in(self.job.folder).exists():
            self._restore()
        resume.cut_log(self.job.folder / "log.jsonl", self.step)
        return self.optimizer

    def on_fit_start(self) -> None:
        """The teacher computes where the student does."""
        if self.job.teacher:
            self.job.teacher.model.to(self.device)

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
                if name not in outputs or name not in wanted:
                    raise unknown("output of student and teacher", name, outputs.keys() & wanted.keys())
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
        path = self.job.folder / "log.jsonl"
        with storing(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for logger in self.job.loggers:
            logger.log_metrics(line, self.step)
        self.job.say(f"train {self.job.variant.name}", min(1.0, share), f"loss {line['loss']:.3f}")

    def _save(self) -> None:
        wall, cpu = self.seconds()
        counters = {
            "step": self.step,
            "wall": wall,
            "cpu": cpu,
            "best": self.best,
            "waited": self.waited,
            "stopped_by": self.stopped_by,
        }
        assert self.optimizer is not None
        resume.save(self.job.folder, self.model, self.shadow, self.optimizer, counters)

    def _restore(self) -> None:
        assert self.optimizer is not None
        found = resume.restore(self.job.folder, self.model, self.shadow, self.optimizer)
        self.step, self.spent = found["step"], [found["wall"], found["cpu"]]
        self.best, self.waited, self.stopped_by = found["best"], found["waited"], found["stopped_by"]


def fit(job: Training) -> tuple[nn.Module, dict[str, Any]]:
    """Trains to the end of the budget. Returns the model (averaged weights where the recipe says so) and the cost.

    Raises KeyboardInterrupt after a resume point was written when the process is told to stop.
    """
    loop = Loop(job)
    path = resume.path_in(job.folder)
    start = resume.counters(path) if path.exists() else {"step": 0, "stopped_by": ""}
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


@torch.no_grad()
def _average(shadow: nn.Module, model: nn.Module, decay: float) -> None:
    """Exponential moving average (Polyak and Juditsky 1992) of weights and float buffers; counters are copied."""
    for old, new in zip(shadow.state_dict().values(), model.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - decay)
        else:
            old.copy_(new)


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
        warnings.filterwarnings("ignore", message="Total length of .* across ranks is zero")  # stopped behind the last step
        try:
            yield
        finally:
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
