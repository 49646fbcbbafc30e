"""Fonts that truly write a script: found on the system, proved by what they make of conjuncts."""

import hashlib
import logging
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import uharfbuzz
from PIL import ImageFont, features

from weighin.core.errors import DataError, MissingError
from weighin.families.ocr.alphabet import Alphabet

hb: Any = uharfbuzz  # compiled, without types
log = logging.getLogger("weighin.ocr")
SUFFIXES = frozenset((".ttf", ".otf", ".ttc"))
FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)

# Designs kept from training, so that the test says what an unseen fount costs. Of the four that Debian has, each of these
# is the nearest in style to one that stays: a monoline and a modulated one on either side.
KEPT = frozenset(("lohit odia", "samyak oriya"))
_STYLES = re.compile(
    r"\b(thin|extralight|light|regular|book|medium|demi|semi|semibold|bold|extrabold|black|italic|oblique|extra|condensed"
    r"|semicondensed|extracondensed|cond|semcond|extcond|extcon|semcon|semco|semibol|extrab|extrabol|blk|ui)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Face:
    """One font file; two faces of one ``design`` differ in weight or width alone."""

    path: str
    design: str  # lower case: "noto sans oriya"
    style: str  # as the file says: "Noto Sans Oriya Bold"
    coverage: frozenset[str] = field(repr=False, compare=False)

    def font(self, size: int) -> ImageFont.FreeTypeFont:
        """The face at a size in pixels an em, laid out by raqm."""
        return _font(self.path, size)


@lru_cache(maxsize=512)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.RAQM)


def check_layout() -> None:
    """Raises MissingError where Pillow has no raqm: without it vowel signs stand in the wrong order."""
    if not features.check("raqm"):
        hint = "Install Pillow's wheel (pip install --force-reinstall pillow); it carries raqm"
        raise MissingError("Pillow was built without raqm, so Indian scripts cannot be set", hint=hint)


@cache
def faces(alphabet: Alphabet) -> tuple[Face, ...]:
    """Faces of the system that set the script rightly, sorted by design and style; seen but unfit ones are logged."""
    probe = alphabet.consonants[0]
    found = [face for path in _files(probe) if (face := _face(path)) is not None and probe in face.coverage]
    good = [face for face in found if writes(face, alphabet)]
    unfit = sorted({face.style for face in found if face not in good})
    if unfit:
        log.debug("left out for %s, conjuncts fall apart: %s", alphabet.name, ", ".join(unfit))
    return tuple(sorted(good, key=lambda face: (face.design, face.style, face.path)))


def need_faces(alphabet: Alphabet) -> tuple[Face, ...]:
    """As ``faces``. Raises DataError where there is none."""
    found = faces(alphabet)
    if not found:
        hint = "On Debian: apt-get install fonts-noto-core fonts-lohit-orya fonts-orya-extra fonts-samyak-orya"
        raise DataError(f"No installed font sets {alphabet.name}", "A font with OpenType rules for the script", hint)
    return found


@cache
def companions(needed: str) -> tuple[Face, ...]:
    """Faces with Latin letters and digits, for what a font of the script lacks; at most six designs, one face each."""
    wanted = set(needed)
    by_design: dict[str, Face] = {}
    for path in _files("A"):
        name = path.name.lower()
        if not re.match(
            r"(dejavusans|dejavuserif|notosans|notoserif|liberation|freeserif|freesans|arial|times)[-.]?(regular)?\.", name
        ):
            continue
        face = _face(path)
        if face is not None and len(wanted - face.coverage) <= 4:
            by_design.setdefault(face.design, face)
    return tuple(by_design[name] for name in sorted(by_design))[:6]


def writes(face: Face, alphabet: Alphabet) -> bool:
    """Whether each of the alphabet's conjuncts is set without a visible halant and without a missing glyph."""
    font = hb.Font(hb.Face(hb.Blob.from_file_path(face.path)))
    halant = font.get_nominal_glyph(ord(alphabet.halant))
    glyphs = [_shaped(font, text) for text in alphabet.conjuncts]
    return halant is not None and all(set(row).isdisjoint((0, halant)) and len(row) < 3 for row in glyphs)


def _shaped(font: Any, text: str) -> list[int]:
    buffer = hb.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    hb.shape(font, buffer)
    return [info.codepoint for info in buffer.glyph_infos]


def divided(found: Sequence[Face]) -> Mapping[str, tuple[Face, ...]]:
    """Faces for ``train`` and for ``test`` (all of them): two designs of four or more are kept from training, one of two."""
    designs = sorted({face.design for face in found})
    by_name = [design for design in designs if design in KEPT]
    others = sorted((d for d in designs if d not in KEPT), key=lambda d: hashlib.sha256(d.encode()).digest())
    kept = (by_name + others)[: 2 if len(designs) >= 4 else len(designs) // 2]
    return {"train": tuple(face for face in found if face.design not in kept), "test": tuple(found)}


def _face(path: Path) -> Face | None:
    """None for what cannot be opened."""
    try:
        family, style = ImageFont.truetype(str(path), 16).getname()
        coverage = frozenset(map(chr, hb.Face(hb.Blob.from_file_path(str(path))).unicodes))
    except (OSError, ValueError, hb.HarfBuzzError):
        return None
    named = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", family or path.stem)
    design = " ".join(_STYLES.sub(" ", named).lower().split())
    shown = family or path.stem
    return Face(str(path), design, shown if not style or style in shown else f"{shown} {style}", coverage)


@cache
def _files(character: str) -> tuple[Path, ...]:
    """Font files that have a character: by fontconfig's word, or all in the usual folders where it is not at hand."""
    program = shutil.which("fc-list")
    if program:
        try:
            command = [program, f":charset={ord(character):x}", "--format=%{file}\n"]
            listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
            return tuple(sorted({Path(line) for line in listed.splitlines() if Path(line).suffix.lower() in SUFFIXES}))
        except (OSError, subprocess.SubprocessError):
            pass  # a broken fontconfig is as good as none
    roots = [Path(folder).expanduser() for folder in FOLDERS]
    return tuple(sorted(path for root in roots if root.is_dir() for path in root.rglob("*") if path.suffix.lower() in SUFFIXES))


# A letter of a script, and the code points of letters in it that need no shaping to be known as foreign.
_SCRIPTS = {
    "latin": ("ß", (0xC0, 0xFF)),
    "greek": ("Ω", (0x391, 0x3A9)),
    "cyrillic": ("Ж", (0x410, 0x44F)),
    "deva": ("क", (0x915, 0x939)),
    "beng": ("ক", (0x995, 0x9B9)),
    "gujr": ("ક", (0xA95, 0xAB9)),
    "taml": ("க", (0xB95, 0xBB9)),
    "telu": ("క", (0xC15, 0xC39)),
    "knda": ("ಕ", (0xC95, 0xCB9)),
    "mlym": ("ക", (0xD15, 0xD39)),
    "orya": ("କ", (0xB15, 0xB39)),
    "arab": ("ب", (0x628, 0x64A)),
}


@cache
def strangers(script: str) -> tuple[tuple[Face, str], ...]:
    """A face of every other script that the system has one for, and its letters."""
    found = []
    for name, (probe, (first, last)) in _SCRIPTS.items():
        face = next(filter(None, map(_face, _plain(probe))), None)
        if name != script and face is not None:
            found.append(
                (face, "".join(chr(c) for c in range(first, last + 1) if chr(c).isalpha() and chr(c) in face.coverage))
            )
    return tuple(found)


def _plain(probe: str) -> list[Path]:
    """Regular faces first in a family's own order: Noto where there is one."""
    paths = [
        path for path in _files(probe) if re.match(r"(NotoSans|DejaVuSans|Lohit|FreeSans)[A-Za-z]*[-.]?(Regular)?\.", path.name)
    ]
    return sorted(paths, key=lambda path: (not path.name.startswith("Noto"), path.name))
