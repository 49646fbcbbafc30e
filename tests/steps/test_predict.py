"""predict: files in, answers out; interrupted it goes on without duplicates; nobody's file is overwritten."""

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from weighin.core import registry
from weighin.core.errors import ConfigError, DataError, InputError, StorageError
from weighin.steps.predict import predict
from weighin.steps.train import train


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    points = registry.family("points")
    return train(points, points.variant("nano").but(**{"recipe.steps": 30}), root=tmp_path_factory.mktemp("made"))


@pytest.fixture
def answer(points, made):
    def call(paths, **named):
        return predict(points, points.variant("nano"), made, [Path(p) for p in paths], **named)

    return call


@pytest.fixture
def folder(tmp_path):
    """Four points, one of them no point, one in a folder below, and a hidden file."""
    place = tmp_path / "in"
    (place / "deep").mkdir(parents=True)
    for name, text in (
        ("a", "[0.1, 0.2]"),
        ("b", "[-0.3, 0.1]"),
        ("c", "no point"),
        ("deep/d", "[0.2, -0.4]"),
        (".x", "[1, 1]"),
    ):
        (place / f"{name}.json").write_text(text)
    return place


def lines_of(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_every_file_gets_a_line(answer, folder):
    lines = []
    assert answer([folder], emit=lines.append) == (3, 1)
    assert [Path(line["file"]).name for line in lines] == ["a.json", "b.json", "c.json", "d.json"]
    assert all(set(line["answer"]) == {"arm"} for line in lines if "answer" in line)
    assert lines[2]["error"] == "b'no point' is no point. A point is JSON such as [0.1, 0.2]."


def test_a_file_named_twice_is_answered_once(answer, folder):
    assert answer([folder / "a.json", folder, folder / "a.json"])[0] == 3


@pytest.mark.parametrize("raw", [b"", b"\x00" * 100, b"\xff\xd8\xff", b"[1", b'{"x": 1}', b"[1, 2, 3]", b'["a", "b"]'])
def test_what_cannot_be_read_is_refused(answer, tmp_path, raw):
    (tmp_path / "x.json").write_bytes(raw)
    lines = []
    assert answer([tmp_path / "x.json"], emit=lines.append) == (0, 1)
    assert "is no point" in lines[0]["error"]


def test_missing_files_and_unreadable_ones_are_refused(answer, tmp_path, monkeypatch):
    lines = []
    assert answer([tmp_path / "none.json"], emit=lines.append) == (0, 1)
    assert lines[0]["error"] == f"{tmp_path / 'none.json'} cannot be read: No such file or directory."


def test_a_data_error_of_one_file_stops_nobody(points, answer, folder, monkeypatch):
    def expand(self, path):
        if path.name == "a.json":
            raise DataError("a.json is a damaged font")

    monkeypatch.setattr(type(points), "expand", expand)
    assert answer([folder]) == (2, 2)


def test_a_file_that_holds_many(points, answer, folder, monkeypatch, tmp_path):
    def expand(self, path):
        return [[("one", (0.1, 0.2)), ("two", (0.3, 0.4))]] if path.name == "a.json" else None

    def save_answers(self, path, named, out):
        (out / "beside.txt").write_text(str(len(named)))
        return [out / "beside.txt"]

    monkeypatch.setattr(type(points), "expand", expand)
    monkeypatch.setattr(type(points), "save_answers", save_answers)
    out = tmp_path / "out" / "answers.jsonl"
    out.parent.mkdir()
    assert answer([folder / "a.json", folder / "b.json"], out=out) == (3, 0)
    lines = lines_of(out)
    assert [line.get("part") for line in lines] == ["one", "two", None, None]
    assert lines[2]["written"] == str(out.parent / "beside.txt") and (out.parent / "beside.txt").read_text() == "2"


def test_done_is_not_done_again(answer, folder, tmp_path):
    out = tmp_path / "out.jsonl"
    assert answer([folder], out=out) == (3, 1)
    before = out.read_bytes()
    assert answer([folder], out=out) == (0, 0) and out.read_bytes() == before
    (folder / "e.json").write_text("[0, 0]")
    assert answer([folder], out=out) == (1, 0) and out.read_bytes().startswith(before)


def test_answers_in_the_folder_that_is_walked(answer, folder):
    out = folder / "answers.jsonl"
    assert answer([folder], out=out) == (3, 1)
    assert answer([folder], out=out) == (0, 0)


def test_what_was_written_beside_the_answers_is_no_input(points, answer, folder, monkeypatch):
    def save_answers(self, path, named, out):
        (out / f"{path.name}.made.json").write_text("[0, 0]")
        return [out / f"{path.name}.made.json"]

    monkeypatch.setattr(type(points), "expand", lambda self, path: [[("one", (0.1, 0.2))]])
    monkeypatch.setattr(type(points), "save_answers", save_answers)
    out = folder / "answers.jsonl"
    assert answer([folder], out=out) == (4, 0)
    assert answer([folder], out=out) == (0, 0) and len(list(folder.glob("*.made.json"))) == 4


def test_cut_anywhere_it_goes_on_without_duplicates(points, answer, folder, tmp_path, monkeypatch):
    """Also where answers hold what some programs take for ends of lines."""
    monkeypatch.setattr(type(points), "show", lambda self, y: {"arm": y, "text": "ä\u2028\x85b"})
    out = tmp_path / "out.jsonl"
    answer([folder], out=out)
    whole = out.read_bytes()
    assert len(whole.split(b"\n")) == 5
    for end in range(0, len(whole), 13):
        out.write_bytes(whole[:end])
        answer([folder], out=out)
        found = lines_of_newlines(out)
        assert sorted(line["file"] for line in found) == sorted(line["file"] for line in lines_of_newlines_raw(whole))
        assert len(found) == 4


def lines_of_newlines(path):
    return lines_of_newlines_raw(path.read_bytes())


def lines_of_newlines_raw(raw):
    return [json.loads(line) for line in raw.split(b"\n")[:-1]]


def test_a_file_of_many_that_was_cut_is_done_again(points, answer, folder, tmp_path, monkeypatch):
    many = [[(str(n), (0.1 * n, 0.2)) for n in range(5)]]
    monkeypatch.setattr(type(points), "expand", lambda self, path: many)
    out = tmp_path / "out.jsonl"
    answer([folder / "a.json", folder / "b.json"], out=out)
    whole = out.read_bytes()
    out.write_bytes(whole[:-30])
    answer([folder / "a.json", folder / "b.json"], out=out)
    assert out.read_bytes() == whole


class Pages(Sequence):
    """Three pages of two points, made when asked for; keeps which were."""

    def __init__(self, damaged=()):
        self.asked, self.damaged = [], damaged

    def __len__(self):
        return 3

    def __getitem__(self, place):
        self.asked.append(place)
        if place in self.damaged:
            raise InputError(f"Page {place + 1} is damaged")
        return [(f"page {place + 1} point {n}", (0.1 * place, 0.1 * n)) for n in range(2)]


@pytest.fixture
def paged(points, folder, monkeypatch):
    """a.json has three pages; what is asked of them, and what is saved, is kept."""
    pages, saved = Pages(), []
    monkeypatch.setattr(type(points), "expand", lambda self, path: pages if path.name == "a.json" else None)
    monkeypatch.setattr(type(points), "save_answers", lambda self, path, named, out: saved.append(named) or ())
    return pages, saved


def test_groups_are_answered_one_after_the_other(answer, folder, tmp_path, paged):
    pages, saved = paged
    heard, lines = [], []
    assert answer([folder / "a.json"], emit=lines.append, say=lambda *said: heard.append(said)) == (6, 0)
    assert pages.asked == [0, 1, 2] and [len(named) for named in saved] == [2, 2, 2]
    assert heard == [("predict", pytest.approx(n / 3), f"a.json {n}/3") for n in (1, 2, 3)]
    assert [line["group"] for line in lines] == [[n, 3] for n in (1, 1, 2, 2, 3, 3)]


def test_an_interruption_goes_on_with_the_next_group(answer, folder, tmp_path, paged):
    pages, _ = paged
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    answer([folder / "a.json", folder / "b.json"], out=whole)
    pages.asked.clear()

    def interrupted(said, share, name):
        if name == "a.json 2/3":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer([folder / "a.json", folder / "b.json"], out=out, say=interrupted)
    assert len(lines_of(out)) == 4 and pages.asked == [0, 1]
    pages.asked.clear()
    assert answer([folder / "a.json", folder / "b.json"], out=out) == (3, 0)
    assert pages.asked == [2] and out.read_bytes() == whole.read_bytes()
    assert answer([folder / "a.json", folder / "b.json"], out=out) == (0, 0) and pages.asked == [2]


def test_groups_before_a_cut_line_are_kept(answer, folder, tmp_path, paged):
    """Also the last whole line's group goes: the line that was cut may be of it."""
    pages, _ = paged
    out = tmp_path / "out.jsonl"
    answer([folder / "a.json", folder / "b.json"], out=out)
    whole = out.read_bytes()
    ends = [n for n, byte in enumerate(whole) if byte == ord("\n")]
    for lines_left, again in ((1, [0, 1, 2]), (2, [0, 1, 2]), (3, [1, 2]), (4, [1, 2]), (5, [2])):
        out.write_bytes(whole[: ends[lines_left - 1] + 9])
        pages.asked.clear()
        answer([folder / "a.json", folder / "b.json"], out=out)
        assert out.read_bytes() == whole
        assert pages.asked == again


def test_a_damaged_group_does_not_stop_the_others(answer, folder, tmp_path, paged):
    pages, saved = paged
    pages.damaged = (1,)
    out = tmp_path / "out.jsonl"
    assert answer([folder / "a.json"], out=out) == (4, 1)
    assert lines_of(out)[2] == {"file": str(folder / "a.json"), "error": "Page 2 is damaged.", "group": [2, 3]}
    assert len(saved) == 2 and answer([folder / "a.json"], out=out) == (0, 0)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"file": "a"}\n',
        b"my diary\n",
        b"my diary",
        b"\x89PNG\r\n\x1a\n",
        b'{"name": "x"}\n',
        b"[1, 2]\n",
        b'{"file": "a"}\nmy diary\n',
    ],
)
def test_nobodys_file_is_overwritten(answer, folder, tmp_path, raw):
    out = tmp_path / "precious"
    out.write_bytes(raw)
    with pytest.raises(ConfigError, match=r"precious is something else.*Choose another file"):
        answer([folder], out=out)
    assert out.read_bytes() == raw


def test_a_full_disk_takes_nothing_back(answer, folder, tmp_path, monkeypatch):
    out = tmp_path / "out.jsonl"
    answer([folder / "a.json"], out=out)
    before = out.read_bytes()
    original = Path.open

    def same(file):
        return file

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, raw):
            if self.file.tell() > len(before):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(raw[:10])

        def tell(self):
            return self.file.tell()

        def truncate(self, size):
            return self.file.truncate(size)

    with monkeypatch.context() as patch:
        patch.setattr(
            Path, "open", lambda self, *a, **k: Full(original(self, *a, **k)) if a == ("ab",) else original(self, *a, **k)
        )
        with pytest.raises(StorageError, match="No space left on device"):
            answer([folder / "b.json"], out=out)
    assert out.read_bytes() == before
    assert answer([folder / "b.json"], out=out) == (1, 0) and out.read_bytes().startswith(before)


def test_an_interruption_keeps_what_is_done(points, answer, folder, tmp_path, monkeypatch):
    read, calls = type(points).read, []

    def interrupted(self, raw):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(self, raw)

    out = tmp_path / "out.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr(type(points), "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            answer([folder], out=out)
    assert len(lines_of(out)) == 2
    assert answer([folder], out=out) == (1, 1) and len(lines_of(out)) == 4


def test_odd_file_names_survive(answer, folder, tmp_path):
    odd = os.fsdecode(os.fsencode(folder) + b"/\xff\n.json")
    Path(odd).write_text("[0, 0]")
    out = tmp_path / "out.jsonl"
    assert answer([folder], out=out) == (4, 1)
    assert odd in [line["file"] for line in lines_of_newlines(out)]
    assert answer([folder], out=out) == (0, 0)


def test_the_predictor_refuses_what_is_no_input(points, made):
    from weighin.steps.predictors import eager_predictor

    predict_points = eager_predictor(points, points.variant("nano"), made)
    assert predict_points([]) == []
    with pytest.raises(InputError, match="pair of numbers"):
        predict_points(["x"])
