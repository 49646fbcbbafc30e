"""Distances between a student's output and its teacher's."""

import torch
from torch import Tensor
from torch.nn import functional

from weighin.core.config import Match
from weighin.core.errors import ConfigError


def distance(match: Match, student: Tensor, teacher: Tensor) -> Tensor:
    """A scalar. ``student`` and ``teacher`` are [batch, ...] of equal shape; widths may differ for ``gram`` only.

    kl: T^2 KL(teacher || student) of softmax at temperature T over the last axis (Hinton et al. 2015);
    gram: squared error of cosine similarities within the batch (Tung and Mori 2019).
    """
    if match.distance != "gram" and student.shape != teacher.shape:
        raise ConfigError(
            f"Student and teacher outputs have shapes {tuple(student.shape)} and {tuple(teacher.shape)}",
            f"{match.distance} needs equal shapes",
            "distance: gram matches outputs of different widths",
        )
    student, teacher = student.float(), teacher.float()
    if match.distance == "kl":
        wanted, given = (functional.log_softmax(x / match.temperature, -1).flatten(0, -2) for x in (teacher, student))
        return functional.kl_div(given, wanted, log_target=True, reduction="batchmean") * match.temperature**2
    if match.distance == "cosine":
        return (1 - functional.cosine_similarity(student, teacher, dim=-1)).mean()
    if match.distance == "gram":
        return functional.mse_loss(_gram(student), _gram(teacher))
    return functional.mse_loss(student, teacher)


def _gram(x: Tensor) -> Tensor:
    flat = functional.normalize(x.flatten(1), dim=-1)  # [B, D]
    return torch.mm(flat, flat.T)  # [B, B]
