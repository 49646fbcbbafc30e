"""Examples from fonts, pictures and strokes: what is taken, what is left out, and who is in which split."""

import logging
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toyfonts import LATIN, families, save

from weighin.core.errors import DataError
from weighin.core.family import Example
from weighin.families.glyphs import data, fonts, splits, store
from weighin.families.glyphs.data import Glyphs, ceiling, examples, fingerprint, store_of
from weighin.families.glyphs.fonts import family_group, share_of
from weighin.families.glyphs.glyph import Glyph
from weighin.families.glyphs.labels import CLASS_OF, LABELS, form_of
from weighin.families.glyphs.shaping import CMAP, COMPOSED, SHAPED

SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for every test."""
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """Six families of Latin and joined Arabic."""
    return families(tmp_path_factory.mktemp("toys"), 6, joined=True)


def groups(spec: str, split: str) -> set[str]:
    return {example.group for example in examples(spec, split)}


def test_synthetic_is_the_same_each_time_and_splits_share_no_family():
    seen = {split: {example.group for example in examples("synthetic", split)} for split in SPLITS}
    assert not seen["train"] & seen["validation"] and not (seen["train"] | seen["validation"]) & seen["test"]
    data.synthetic.cache_clear()
    first = examples("synthetic", "validation")
    data.synthetic.cache_clear()
    again = examples("synthetic", "validation")
    assert all((a.x.bits == b.x.bits).all() and a.x.box == b.x.box and a.y == b.y for a, b in zip(first, again, strict=True))
    assert len({e.id for e in first}) == len(first) and {e.kind for e in first} == {form_of(e.y) for e in first}


def test_synthetic_can_be_learned_but_not_without_looking():
    train, test = examples("synthetic", "train"), examples("synthetic", "test")
    pixels = [
        np.unpackbits(np.stack([e.x.bits for e in part]), axis=2)[:, ::4, ::4].reshape(len(part), -1) for part in (train, test)
    ]
    known, new = (part.astype(np.float32) for part in pixels)
    apart = known.sum(1)[:, None] + new.sum(1)[None] - 2 * known @ new.T
    right = np.mean([train[near].y == e.y for near, e in zip(apart.argmin(0), test, strict=True)])
    assert 0.5 < right < 0.95
    assert len({e.y for e in test}) >= 40
    assert ceiling(test)["ceiling_top1"] < 1 == ceiling(test)["ceiling_top1_merged"]


def test_the_ceiling_is_what_the_most_frequent_label_of_every_raster_gets():
    dot, bar = np.full((128, 16), 255, np.uint8), np.zeros((128, 16), np.uint8)
    bar[:4] = 255
    labels = [(dot, "1575_isol"), (dot, "65165_isol"), (dot, "65165_isol"), (bar, "45_punctuation"), (bar, "95_punctuation")]
    found = ceiling([Example(str(n), "g", Glyph(bits), y) for n, (bits, y) in enumerate(labels)])
    assert found["ceiling_top1"] == 3 / 5
    assert found["ceiling_top1_merged"] == 4 / 5
    assert found["share_under_several_labels"] == 1 and found["distinct_rasters"] == 2
    assert ceiling([])["distinct_rasters"] == 0


def test_fonts_of_a_folder(toys):
    spec = f"fonts:{toys}"
    parts = {split: examples(spec, split) for split in SPLITS}
    assert not groups(spec, "train") & groups(spec, "test") and not groups(spec, "validation") & groups(spec, "test")
    assert set.union(*(groups(spec, split) for split in SPLITS)) == {f"toy {letter}" for letter in "abcdef"}
    every = [example for part in parts.values() for example in part]
    assert len({example.id for example in every}) == len(every)
    latin = [e for e in parts["test"] if e.kind in ("latin", "latin_digit")]
    assert len(latin) == len(LATIN) * len(groups(spec, "test"))
    box = next(e.x.box for e in latin if e.y == "65_latin")
    assert box is not None and 0.3 < max(box[2:4]) < 1.2 and box[4] == pytest.approx(0.7)


def test_forms_and_ligatures_come_by_shaping_and_composed_ones_are_for_training_only(toys):
    kept = store_of(f"fonts:{toys}")
    source = {name: {LABELS[row["label"]] for row in kept.rows if row["source"] == kind} for name, kind in _SOURCES.items()}
    assert {"1575_isol", "1576_isol", "65_latin"} <= source["cmap"]
    assert source["shaped"] == {
        "65169_init",
        "65170_medi",
        "65184_medi",
        "65182_final",
        "65247_init",
        "65166_final",
        "65275_liga",
    }
    assert "64517_liga" in source["composed"]  # beh and jeem, isolated
    composed = kept.rows["source"] == COMPOSED
    assert set(kept.rows["split"][composed]) == {splits.TRAIN}


_SOURCES = {"cmap": CMAP, "shaped": SHAPED, "composed": COMPOSED}


def test_taking_slicing_and_walking_agree(toys):
    found = examples(f"fonts:{toys}", "train")
    assert isinstance(found, Glyphs)
    places = [5, 0, 17]
    for one, other in zip(found.take(places), [found[place] for place in places], strict=True):
        assert one.id == other.id and (one.x.bits == other.x.bits).all() and one.x.box == other.x.box
    assert [e.id for e in found[2:6]] == [e.id for e in found.take(range(2, 6))]
    assert [CLASS_OF[e.y] for e in found] == found.classes.tolist()
    assert (found.bits[3] == found[3].x.bits).all() and len(list(found)) == len(found)
    with pytest.raises(IndexError):
        found[len(found)]


def test_a_second_call_draws_nothing_and_another_file_another_fingerprint(tmp_path, monkeypatch):
    spec = f"fonts:{families(tmp_path / 'fonts', 3)}"
    first = fingerprint(spec)
    number = len(examples(spec, "test"))
    data._loaded.cache_clear()
    monkeypatch.setattr(data, "drawn", lambda *_: pytest.fail("drawn twice"))
    assert len(examples(spec, "test")) == number and fingerprint(spec) == first
    save(tmp_path / "fonts/more.ttf", "Another")
    assert fingerprint(spec) != first


def test_one_family_is_all_test(tmp_path):
    spec = f"fonts:{save(tmp_path / 'one.ttf', 'Lonely')}"
    assert len(examples(spec, "test")) == len(LATIN)
    with pytest.raises(DataError, match=r"no train examples.*three families"):
        examples(spec, "train")


def test_another_family_moves_no_other():
    names = [f"family {number}" for number in range(400)]
    some = dict(zip(names[:300], splits._split_of(names[:300]), strict=True))
    more = dict(zip(names, splits._split_of(names), strict=True))
    assert all(more[name] == split for name, split in some.items())
    share = np.bincount(list(more.values()), minlength=3) / len(more)
    assert np.allclose(share, (0.75, 0.10, 0.15), atol=0.06)
    assert 0 <= share_of("a", "b") < 1 and share_of("a", "b") == share_of("a", "b") != share_of("a", "c")


@pytest.mark.parametrize("count", [3, 4, 5])
def test_few_families_leave_no_split_empty(count):
    for start in range(0, 60, 5):
        assert set(splits._split_of([f"few {start + number}" for number in range(count)])) == {0, 1, 2}


@pytest.mark.parametrize(
    ("family", "group"),
    [
        ("DejaVu Sans Condensed", "deja vu sans"),
        ("Noto Sans Arabic UI", "noto sans arabic"),
        ("Noto Naskh Arabic", "noto naskh arabic"),
        ("Noto Sans Gujarati", "noto sans"),
        ("Noto Serif Display ExtraLight", "noto serif"),
        ("Black", "black"),
    ],
)
def test_weights_widths_and_uses_are_one_family(family, group):
    assert family_group(family) == group


def of_split(split: int, count: int, hand: int) -> list[str]:
    """Names of families that fall into a split."""
    names = (f"Kind {letter}{other}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for other in "abcdefgh"[hand:])
    bounds = {splits.TEST: (0, 0.15), splits.VALIDATION: (0.15, 0.25), splits.TRAIN: (0.25, 1)}[split]
    return [name for name in names if bounds[0] <= share_of(family_group(name), splits.SALT) < bounds[1]][:count]


def test_a_family_sold_again_under_another_name_is_not_trained_on(tmp_path):
    tested, trained = of_split(splits.TEST, 1, 0), of_split(splits.TRAIN, 2, 0)
    checked = of_split(splits.VALIDATION, 1, 0)
    save(tmp_path / "f/original.ttf", tested[0], hand=1)
    save(tmp_path / "f/copy.ttf", trained[0], hand=1)
    save(tmp_path / "f/other.ttf", trained[1], hand=2)
    save(tmp_path / "f/third.ttf", checked[0], hand=3)
    spec = f"fonts:{tmp_path / 'f'}"
    assert groups(spec, "train") == {family_group(trained[1])}
    assert groups(spec, "test") == {family_group(tested[0])}
    assert store_of(spec).counts["copies_of_held_out"] == len(LATIN)


def test_the_same_raster_and_label_counts_once_a_split(tmp_path):
    one, other = of_split(splits.TRAIN, 2, 1)
    save(tmp_path / "f/a.ttf", one, hand=1)
    save(tmp_path / "f/b.ttf", other, hand=1)
    save(tmp_path / "f/c.ttf", of_split(splits.TEST, 1, 1)[0], hand=2)
    save(tmp_path / "f/d.ttf", of_split(splits.VALIDATION, 1, 1)[0], hand=3)
    kept = store_of(f"fonts:{tmp_path / 'f'}")
    assert kept.counts["duplicates"] == len(LATIN) and kept.counts["train_rows"] == len(LATIN)


def test_a_font_that_draws_something_else_than_its_cmap_says_is_left_out(tmp_path):
    families(tmp_path / "f", splits.LEAST_WITNESSES)
    save(tmp_path / "f/liar.ttf", "Liar", shapes="zyxwvutsrqponmlkjihg")
    kept = store_of(f"fonts:{tmp_path / 'f'}")
    assert kept.counts["liars"] == [["liar.ttf", stretch] for stretch in ("ascii", "latin-1 signs", "latin-1 letters")]
    assert kept.counts["drawings_of_liars"] == len(LATIN)
    assert "liar" not in {kept.faces[face].group for face in kept.rows["face"]}


def test_a_box_for_whatever_is_missing_is_no_example(tmp_path):
    path = save(tmp_path / "boxes.ttf", "Boxes", shapes="o")
    with pytest.raises(DataError, match=r"known character.*boxes\.ttf"):
        examples(f"fonts:{path}", "test")


def test_damaged_fonts_are_skipped_and_named(tmp_path, caplog):
    folder = families(tmp_path / "f", 3)
    (folder / "cut.ttf").write_bytes((folder / "toy00.ttf").read_bytes()[:700])
    (folder / "nothing.otf").write_bytes(b"")
    with caplog.at_level(logging.WARNING, "weighin.glyphs"):
        kept = store_of(f"fonts:{folder}")
    assert {name for name, _ in kept.skipped} == {"cut.ttf", "nothing.otf"}
    assert "cut.ttf" in caplog.text and "nothing.otf" in caplog.text
    assert len({face.group for face in kept.faces}) == 3


def test_a_font_that_kills_the_process_is_found_and_skipped(tmp_path, monkeypatch):
    folder = families(tmp_path / "f", 3)
    shutil.copy(folder / "toy00.ttf", folder / "killer.ttf")
    run = subprocess.run

    def dies(command, **more):
        if "killer" in (more.get("input") or ""):
            raise subprocess.CalledProcessError(-11, command)
        return run(command, **more)

    monkeypatch.setattr(store.subprocess, "run", dies)
    kept = store_of(f"fonts:{folder}")
    assert [name for name, _ in kept.skipped] == ["killer.ttf"] and len(kept.faces) == 3


def test_interrupted_leaves_nothing_and_starts_again(tmp_path, monkeypatch, cache):
    spec = f"fonts:{families(tmp_path / 'f', 3)}"

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(store.np, "save", interrupted)
        store_of(spec)
    assert not any(cache.rglob("*.npy")) and not any(path.name.startswith(".") for path in cache.glob("*"))
    assert len(examples(spec, "test"))


def test_two_files_of_one_name_have_two_ids(tmp_path):
    save(tmp_path / "f/one/same.ttf", "Same A")
    save(tmp_path / "f/two/same.ttf", "Same B")
    assert {face.id for face in store_of(f"fonts:{tmp_path / 'f'}").faces} == {"same.ttf", "two/same.ttf"}


def test_wrong_font_data(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    save(tmp_path / "greek.ttf", "Greek", characters="\u03b1\u03b2\u03b3")
    (tmp_path / "not.ttf").write_text("no font")
    for spec, said in (
        (f"fonts:{tmp_path / 'empty'}", "No font in"),
        (f"fonts:{tmp_path / 'missing'}", "no font file or folder"),
        (f"fonts:{tmp_path / 'greek.ttf'}", r"known character \(greek\.ttf"),
        (f"fonts:{tmp_path / 'not.ttf'}", r"not\.ttf"),
        ("photos", "no data 'photos'"),
        ("synthetic:more", "no data"),
        ("images:", "no data"),
    ):
        with pytest.raises(DataError, match=said):
            examples(spec, "test")
    monkeypatch.setattr(Path, "iterdir", _refused)
    with pytest.raises(DataError, match="may not be read"):
        examples(f"fonts:{tmp_path / 'empty'}", "test")


def _refused(self):
    raise PermissionError(13, "Permission denied", str(self))


def test_without_fontconfig_the_usual_folders_are_searched(tmp_path, monkeypatch):
    monkeypatch.setattr(fonts.shutil, "which", lambda _: None)
    monkeypatch.setattr(fonts, "_usual_folders", lambda: (tmp_path / "a", tmp_path / "none"))
    with pytest.raises(DataError, match="No font is installed"):
        fonts.font_files("fonts")
    path = save(tmp_path / "a/deep/x.ttf", "Deep")
    assert fonts.font_files("fonts") == [path]


def test_a_damaged_cache_is_named(tmp_path, cache):
    spec = f"fonts:{families(tmp_path / 'f', 3)}"
    folder = cache / fingerprint(spec)
    store_of(spec)
    data._loaded.cache_clear()
    (folder / "bits.npy").write_bytes(b"short")
    with pytest.raises(DataError, match=f"damaged.*Delete {folder}"):
        store_of(spec)


def pictures(folder: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        ink = np.full((30, 30), 255, np.uint8)
        ink[5:25, 5 : 10 + number % 15] = 0
        ink[3:9, 20:28] = 0
        Image.fromarray(ink).save(path)
    return folder


def test_pictures_in_folders(tmp_path):
    folder = pictures(
        tmp_path / "p", ["65_latin/w1/a.png", "U+0628/w1/b.png", "A/w2/c.jpg", "uni0628/w3/d.png", "B/e.png", "hm/f.png"]
    )
    (folder / "A/w2/broken.png").write_bytes(b"")
    kept = store_of(f"images:{folder}")
    assert {(face.id, LABELS[row["label"]], face.group) for row, face in zip(kept.rows, kept.faces, strict=True)} == {
        ("65_latin/w1/a.png", "65_latin", "w1"),
        ("U+0628/w1/b.png", "1576_isol", "w1"),
        ("A/w2/c.jpg", "65_latin", "w2"),
        ("uni0628/w3/d.png", "1576_isol", "w3"),
        ("B/e.png", "66_latin", "B/e.png"),
    }
    assert {name for name, _ in kept.skipped} == {"hm/f.png", "A/w2/broken.png"}
    assert all(e.x.box is None for split in SPLITS for e in examples(f"images:{folder}", split))


def test_pictures_with_a_table(tmp_path):
    folder = pictures(tmp_path / "p", ["a.png", "b.png", "c.png"])
    (folder / "labels.csv").write_text("file,label,group\na.png,65_latin,w1\nb.png,\u0628,w2\nmissing.png,A,w3\nc.png,?!,w3\n")
    kept = store_of(f"images:{folder}")
    assert sorted(LABELS[row["label"]] for row in kept.rows) == ["1576_isol", "65_latin"]
    assert {name for name, _ in kept.skipped} == {"missing.png", "c.png"}


def test_wrong_pictures(tmp_path):
    (tmp_path / "empty").mkdir()
    unknown = pictures(tmp_path / "unknown", ["what/a.png"])
    blank = tmp_path / "blank/A"
    blank.mkdir(parents=True)
    Image.new("L", (9, 9), 255).save(blank / "x.png")
    table = pictures(tmp_path / "table", ["a.png"])
    (table / "labels.csv").write_text("name;what\na.png;A\n")
    latin = pictures(tmp_path / "latin", ["a.png"])
    (latin / "labels.csv").write_bytes("file,label\na.png,é\n".encode("latin-1"))
    outside = pictures(tmp_path / "outside", ["a.png"])
    (outside / "labels.csv").write_text(f"file,label\n{tmp_path / 'a.png'},A\n")
    for folder, said in (
        (tmp_path / "none", "no folder"),
        (tmp_path / "empty", "No picture in"),
        (unknown, "can be used.*1,197"),
        (tmp_path / "blank", "can be used.*blank"),
        (table, "columns"),
        (latin, "cannot be read.*UTF-8"),
        (outside, "names .*a.png"),
    ):
        with pytest.raises(DataError, match=said):
            examples(f"images:{folder}", "test")
