"""Variants and recipes: frozen pydantic values, YAML in and out, never a Python target."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from weighin.core.errors import ConfigError, closest


class Settings(BaseModel):
    """Base of every configuration value: frozen, unknown keys refused, no NaN or infinity (JSON has none)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Match(Settings):
    """Soft distillation: how far a named output may be from the teacher's (Hinton et al. 2015; Gram: Tung and Mori 2019)."""

    distance: Literal["kl", "mse", "cosine", "gram"] = "kl"
    weight: float = Field(default=1.0, gt=0)
    temperature: float = Field(default=1.0, gt=0)


class Recipe(Settings):
    """How weights are made: the same dials in every family.

    The run ends at whichever of ``steps``, ``minutes`` (wall clock) and ``cpu_minutes`` (CPU time of
    the process) comes first; at least one must be set. ``warmup`` and the schedule are shares of the run.
    """

    data: str = "synthetic"
    steps: int | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0)
    cpu_minutes: float | None = Field(default=None, gt=0)
    batch: int = Field(default=64, gt=0)
    accumulate: int = Field(default=1, gt=0)
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = Field(default=0.05, ge=0, lt=1)
    clip: float | None = Field(default=1.0, gt=0)
    ema: float | None = Field(default=None, gt=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = Field(default=0, ge=0)
    limit: int | None = Field(default=None, gt=0, description="train on at most this many examples, drawn by group")
    evaluate_every: int | None = Field(default=None, gt=0, description="steps between losses on validation examples")
    patience: int | None = Field(default=None, gt=0, description="stop after so many evaluations without gain")
    save_every: int = Field(default=200, gt=0, description="steps between resume points")
    init: str | None = Field(default=None, description="a variant or run whose weights are the start")
    teacher: str | None = Field(default=None, description="a variant or run to learn from")
    match: Mapping[str, Match] = Field(default_factory=dict, description="outputs to match (soft distillation)")
    hard: float = Field(default=1.0, ge=0, description="weight of the loss on labels beside the matches")
    relabel: bool = Field(default=False, description="replace the labels by the teacher's answers (hard distillation)")

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if self.steps is None and self.minutes is None and self.cpu_minutes is None:
            raise ValueError("one of steps, minutes, cpu_minutes must be set")
        if (self.match or self.relabel) and not self.teacher:
            raise ValueError("match and relabel need a teacher")
        if self.patience and not self.evaluate_every:
            raise ValueError("patience counts evaluations; set evaluate_every as well")
        if not self.hard and not self.match:
            raise ValueError("hard is 0 and nothing is matched, so there is nothing to learn from")
        return self


M = TypeVar("M", bound=Settings)
P = TypeVar("P", bound=Settings)


class Variant(Settings, Generic[M, P]):
    """A named point of a family: ``model`` decides the weights, ``recipe`` how they are made, ``predict`` how they are used.

    ``of`` names the variants a composite (ensemble, cascade) is made of: it trains nothing itself, and its
    predictor receives the parts of every member under ``member/part``.
    """

    name: str
    about: str = ""
    model: M
    recipe: Recipe
    predict: P
    of: tuple[str, ...] = ()

    def but(self, name: str | None = None, about: str | None = None, **changes: Any) -> "Variant[M, P]":
        """The same variant with some dials changed, given as dotted keys: ``but("x", **{"recipe.lr": 1e-4})``."""
        raw = self.model_dump(mode="json")
        for key, value in changes.items():
            set_dotted(raw, key.replace("__", "."), value)
        raw["name"] = name or self.name
        raw["about"] = self.about if about is None else about
        return validate(type(self), raw, f"variant {raw['name']!r}")


def set_dotted(raw: dict[str, Any], key: str, value: Any) -> None:
    """Sets ``raw["recipe"]["lr"]`` for ``recipe.lr``; unknown sections are refused with the nearest name."""
    *sections, last = key.split(".")
    for section in sections:
        if not isinstance(raw.get(section), dict):
            raise ConfigError(
                f"Setting {key!r} names no section {section!r}", f"There are: {', '.join(raw)}", closest(section, raw)
            )
        raw = raw[section]
    raw[last] = value


def validate(kind: type[Any], raw: Any, source: str) -> Any:
    """A pydantic value from plain data, or one clear :class:`ConfigError` that names the key and the nearest right one."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_explain(kind, error)}") from None


def _explain(kind: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        allowed = _fields_at(kind, first["loc"][:-1])
        return f"Unknown key {where!r}. Allowed here: {', '.join(allowed)}. {closest(str(first['loc'][-1]), allowed)}".strip()
    shown = first["type"] != "missing" and not isinstance(first["input"], Mapping)
    came = f", got {first['input']!r}" if shown else ""
    return f"{where or 'value'}: {first['msg'].removeprefix('Value error, ')}{came if where else ''}"


def _fields_at(kind: Any, path: tuple[int | str, ...]) -> list[str]:
    """Keys that a value has at ``path``; below a mapping or a list, those of what it holds."""
    for step in path:
        field = getattr(kind, "model_fields", {}).get(step)
        kind = field.annotation if field else (get_args(kind) or (None,))[-1]
    return list(getattr(kind, "model_fields", {}))


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """``["recipe.lr=1e-4"]`` -> ``{"recipe.lr": 0.0001}``; values are read as YAML."""
    parsed: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set got {pair!r}", "It takes KEY=VALUE, such as recipe.minutes=10")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"--set {key} got {text!r}, which is not a YAML value", hint="Quote it") from None
        parsed[key] = _number(value) if isinstance(value, str) else value
    return parsed


def _number(text: str) -> str | float:
    """YAML 1.1 reads ``1e-4`` as text; people mean the number."""
    try:
        return float(text)
    except ValueError:
        return text


def to_yaml(variant: Variant[Any, Any]) -> str:
    """The variant as YAML that ``weighin train FAMILY my.yaml`` reads back."""
    return yaml.safe_dump(variant.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def from_yaml(path: Path, base: Variant[Any, Any]) -> Variant[Any, Any]:
    """A variant from a YAML file laid over ``base``: only what differs must be written."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} holds {type(raw).__name__}", "A variant is a mapping; see `weighin show FAMILY/VARIANT`")
    return validate(type(base), merge(base.model_dump(mode="json"), raw), str(path))


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``over`` laid on ``base``, section by section."""
    merged = dict(base)
    for key, value in over.items():
        inner = base.get(key)
        merged[key] = merge(inner, value) if isinstance(value, dict) and isinstance(inner, dict) and key != "match" else value
    return merged
