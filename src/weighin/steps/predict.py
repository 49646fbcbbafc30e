"""The verb ``predict``: files in, answers out, one line each; a folder that was half done goes on."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from weighin.core.config import Variant
from weighin.core.engine import Say, silent
from weighin.core.errors import ConfigError, DataError, InputError
from weighin.core.family import Family
from weighin.core.files import storing, write_bytes
from weighin.core.run import Run
from weighin.steps.predictors import eager_predictor, load_predictor

ANSWERS = {"answer", "error", "written"}  # every line has one of them
BEGIN = b'{"file": "'

Line = dict[str, Any]


def predict(
    family: Family[Any, Any, Any],
    variant: Variant[Any, Any],
    run: Run,
    paths: Sequence[Path],
    *,
    runtime: str = "",
    threads: int = 1,
    out: Path | None = None,
    emit: Callable[[Line], None] = lambda line: None,
    say: Say = silent,
) -> tuple[int, int]:
    """Answers every file (folders are walked); returns how many inputs were answered and how many were refused.

    ``emit`` gets ``{"file", "part", "answer"}`` or ``{"file", "error"}``. With ``out`` the lines also go to a JSONL
    file, and files whose lines stand there already are skipped. Files beside the answers (a repaired font) are
    written next to ``out``, or where the command was called.
    """
    predictor = load_predictor(family, variant, run, runtime, threads) if runtime else eager_predictor(family, variant, run)
    done = _finished(out)
    own = out.resolve() if out else None  # may lie in the folder that is walked
    files = [path for path in dict.fromkeys(_files(paths)) if str(path) not in done and path.resolve() != own]
    answered = refused = 0
    for number, path in enumerate(files):
        lines = _lines(family, predictor, path, out.parent if out else Path())
        answered += sum("answer" in line for line in lines)
        refused += sum("error" in line for line in lines)
        for line in lines:
            emit(line)
        if out:
            _append(out, lines)
        say("predict", (number + 1) / len(files), path.name)
    return answered, refused


def _lines(
    family: Family[Any, Any, Any], predictor: Callable[[Sequence[Any]], list[Any]], path: Path, beside: Path
) -> list[Line]:
    """All lines of one file; what cannot be read is one line with the reason."""
    try:
        many = family.expand(path)
        named = many if many is not None else [("", family.read(_bytes(path)))]
        answers = predictor([x for _, x in named])  # all at once: what one file holds may depend on each other
    except (InputError, DataError) as error:
        return [{"file": str(path), "error": str(error)}]
    pairs = [(name, answer) for (name, _), answer in zip(named, answers, strict=True)]
    written = family.save_answers(path, pairs, beside) if many is not None else ()
    lines: list[Line] = [{"file": str(path), **({"part": name} if name else {}), "answer": family.show(a)} for name, a in pairs]
    return lines + [{"file": str(path), "written": str(p)} for p in written]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        else:
            yield path


def _finished(out: Path | None) -> set[str]:
    """Files whose answers stand in ``out``; a last line that was cut off is removed, and its file is done again.

    Raises ConfigError when ``out`` holds anything else: it is somebody's file.
    """
    if out is None or not out.exists():
        return set()
    try:
        *whole, cut = out.read_bytes().split(b"\n")
        lines = [json.loads(line) for line in whole]
        files = [str(line["file"]) for line in lines]
        if not all(ANSWERS & line.keys() for line in lines) or cut[: len(BEGIN)] != BEGIN[: len(cut)]:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        allowed = "It must be new, or hold answers of weighin predict (JSON lines)"
        raise ConfigError(f"--out {out} is something else", allowed, "Choose another file") from None
    if cut:
        last = files[-1] if files else ""
        kept = [line for line, file in zip(whole, files) if file != last]
        write_bytes(out, b"".join(line + b"\n" for line in kept))
        return set(files) - {last}
    return set(files)


def _append(out: Path, lines: Sequence[Line]) -> None:
    """All lines of one file at once."""
    with storing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        raw = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode(errors="backslashreplace")
        with out.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                while raw:
                    raw = raw[file.write(raw) :]
            except BaseException:  # a full disk takes the beginning
                file.truncate(before)
                raise
