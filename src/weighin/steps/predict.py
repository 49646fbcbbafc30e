"""The verb ``predict``: files in, answers out, one line each; what was half done goes on, page by page of long files."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
Groups = Sequence[Sequence[tuple[str, Any]]]
Ask = Callable[[Sequence[Any]], list[Any]]


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
    file, and what stands there already is skipped: of a file in several groups (pages) each line has ``"group": [k, n]``.
    Files beside the answers (a repaired font) are written next to ``out``, or where the command was called.
    """
    predictor = load_predictor(family, variant, run, runtime, threads) if runtime else eager_predictor(family, variant, run)
    done, ours = _finished(out)  # what was written may lie in the folder that is walked
    files = [path for path in dict.fromkeys(_files(paths)) if _ahead(done, path) and path.resolve() not in ours]
    answered = refused = 0
    for number, path in enumerate(files):
        start = done.get(str(path), Done(0, 1)).groups
        for share, name, lines in _groups(family, predictor, path, out.parent if out else Path(), start):
            answered += sum("answer" in line for line in lines)
            refused += sum("error" in line for line in lines)
            for line in lines:
                emit(line)
            if out:
                _append(out, lines)
            say("predict", (number + share) / len(files), name)
    return answered, refused


class Done(NamedTuple):
    """How many groups of a file are answered, and of how many."""

    groups: int
    of: int


def _ahead(done: Mapping[str, Done], path: Path) -> bool:
    """Whether anything of a file is left to do."""
    found = done.get(str(path))
    return found is None or found.groups < found.of


def _groups(
    family: Family[Any, Any, Any], predictor: Ask, path: Path, beside: Path, start: int
) -> Iterator[tuple[float, str, list[Line]]]:
    """Of every group of a file from ``start`` on: the share of the file that is done then, what to call it, its lines."""
    try:
        many = family.expand(path)
    except (InputError, DataError) as error:
        yield 1.0, path.name, [{"file": str(path), "error": str(error)}]
        return
    count = len(many) if many is not None else 1
    for place in range(start, count):
        lines = _lines(family, predictor, path, beside, many, place)
        if count > 1:
            lines = [{**line, "group": [place + 1, count]} for line in lines]
        yield (place + 1) / count, f"{path.name} {place + 1}/{count}" if count > 1 else path.name, lines


def _lines(
    family: Family[Any, Any, Any], predictor: Ask, path: Path, beside: Path, many: Groups | None, place: int
) -> list[Line]:
    """All lines of one group of a file; what cannot be read is one line with the reason."""
    try:
        named = many[place] if many is not None else [("", family.read(_bytes(path)))]
        answers = predictor([x for _, x in named])  # all at once: what one group holds may depend on each other
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


def _finished(out: Path | None) -> tuple[dict[str, Done], set[Path]]:
    """Files with answers in ``out``, and how far they are; ``out`` and the files that were written beside it.

    A last line that was cut off is removed with all of its group. Raises ConfigError when ``out`` holds anything else: it
    is somebody's file.
    """
    if out is None:
        return {}, set()
    whole, cut = _records(out)
    kept = [line for line in whole if _key(line) != _key(whole[-1])] if cut else whole
    if cut:
        write_bytes(out, b"".join(map(_coded, kept)))
    ours = {Path(line["written"]).resolve() for line in kept if "written" in line}
    keys = [_key(line) for line in kept]  # the last of a file counts: groups are written in order
    return {file: Done(group, of) for file, group, of in keys}, {out.resolve(), *ours}


def _records(out: Path) -> tuple[list[Line], bool]:
    """The lines of ``out``, and whether there is the beginning of one more. Raises ConfigError when it holds anything else."""
    if not out.exists():
        return [], False
    try:
        *whole, cut = out.read_bytes().split(b"\n")
        lines = [json.loads(line) for line in whole]
        for line in lines:
            _key(line)
        if cut[: len(BEGIN)] != BEGIN[: len(cut)]:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        allowed = "It must be new, or hold answers of weighin predict (JSON lines)"
        raise ConfigError(f"--out {out} is something else", allowed, "Choose another file") from None
    return lines, bool(cut)


def _coded(line: Line) -> bytes:
    return (json.dumps(line, ensure_ascii=False) + "\n").encode(errors="backslashreplace")


def _key(line: Line) -> tuple[str, int, int]:
    """File and group of a line, and how many groups the file has. Raises KeyError, TypeError, ValueError: no such line."""
    file = str(line["file"])
    if not ANSWERS & line.keys():
        raise ValueError
    group, of = line.get("group", (1, 1))
    return file, int(group), int(of)


def _append(out: Path, lines: Sequence[Line]) -> None:
    """All lines of one group at once."""
    with storing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        raw = b"".join(map(_coded, lines))
        with out.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                while raw:
                    raw = raw[file.write(raw) :]
            except BaseException:  # a full disk takes the beginning
                file.truncate(before)
                raise
