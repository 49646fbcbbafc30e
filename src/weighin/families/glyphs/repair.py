"""A font without a usable cmap gets one: codepoints from readings, as JSON and in a copy of the font."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError
from fontTools.ttLib.tables._c_m_a_p import CmapSubtable, table__c_m_a_p

from weighin.core.errors import InputError
from weighin.core.files import write_atomic, write_json
from weighin.families.glyphs.labels import base_of, code_of
from weighin.families.glyphs.predict import Reading

SFNT = frozenset((".ttf", ".otf", ".ttc", ".otc", ".woff"))


def claims(reading: Reading) -> Iterator[tuple[int, float]]:
    """Codepoints that a glyph may stand for, with how sure: its own label's first, then those no eye tells from it."""
    if reading.abstain:
        return
    yield code_of(reading.label), reading.confidence
    for label in reading.members:
        if label != reading.label:
            yield code_of(label), reading.confidence / 2  # a glyph that is read as this very label goes before


def cmap_of(named: Sequence[tuple[str, Reading]]) -> dict[int, str]:
    """Codepoint -> glyph name: the surest glyph for each codepoint; abstentions claim none."""
    best: dict[int, tuple[float, str]] = {}
    for name, reading in named:
        for code, sure in claims(reading):
            if code not in best or sure > best[code][0]:
                best[code] = (sure, name)
    return {code: best[code][1] for code in sorted(best)}


def save(path: Path, named: Sequence[tuple[str, Reading]], out: Path) -> list[Path]:
    """Writes ``NAME.cmap.json`` and, of a font with tables, ``NAME.repaired.ttf`` (or ``.otf``) into ``out``.

    Raises InputError for what is no font, StorageError.
    """
    cmap = cmap_of(named)
    as_json = out / f"{path.stem}.cmap.json"
    codes: dict[str, list[int]] = {}
    for code, name in cmap.items():
        codes.setdefault(name, []).append(code)
    glyphs = {name: _entry(reading, codes.get(name, [])) for name, reading in named}
    write_json(as_json, {"font": path.name, "cmap": {f"U+{code:04X}": name for code, name in cmap.items()}, "glyphs": glyphs})
    if path.suffix.lower() not in SFNT:
        return [as_json]  # a font with no tables has no place for a cmap
    font = _open(path)
    known = set(font.getGlyphOrder())
    _replace(font, {code: name for code, name in cmap.items() if name in known})
    repaired = out / f"{path.stem}.repaired{'.otf' if font.sfntVersion == 'OTTO' else '.ttf'}"
    write_atomic(repaired, lambda temporary: font.save(temporary))
    return [as_json, repaired]


def _entry(reading: Reading, codes: Sequence[int]) -> Mapping[str, object]:
    return {
        "codepoints": [f"U+{code:04X}" for code in codes],
        "label": reading.label,
        "text": base_of(reading.label),  # what a copied text should hold, forms and ligatures taken apart
        "prob": round(reading.probabilities[0], 6),
        "group_prob": round(reading.confidence, 6),
        "abstain": reading.abstain,
    }


def _open(path: Path) -> TTFont:
    try:
        return TTFont(io.BytesIO(path.read_bytes()), fontNumber=0)  # TTFont leaves its own file open when it fails
    except (TTLibError, OSError) as error:
        raise InputError(f"{path} cannot be read as a font: {error}", "TrueType and OpenType are read") from error


def _replace(font: TTFont, cmap: Mapping[int, str]) -> None:
    """One format 4 subtable for Unicode and for Windows in place of whatever cmap the font had."""
    table = table__c_m_a_p("cmap")
    table.tableVersion = 0
    table.tables = [_subtable(platform, encoding, cmap) for platform, encoding in ((0, 3), (3, 1))]
    font["cmap"] = table


def _subtable(platform: int, encoding: int, cmap: Mapping[int, str]) -> CmapSubtable:
    subtable = CmapSubtable.newSubtable(4)
    subtable.platformID, subtable.platEncID, subtable.language = platform, encoding, 0
    subtable.cmap = dict(cmap)
    return subtable
