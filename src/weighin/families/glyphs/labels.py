"""The 1,197 labels, worked out from Unicode itself, and which of them no eye can tell apart.

Rule of the list (Unicode 14, the version that Python 3.11 carries; later versions add nothing that is taken here):
every assigned character of the Arabic block (256), Arabic Presentation Forms-A (631) and -B (141), and the printing
characters of ASCII (94) and Latin-1 (94; without no-break space and soft hyphen): 1,216. Less the 19 of Unicode 14 that no
ordinary font draws, U+061D, FD40-41, FD43-4F, FDCF, FDFE and FDFF: 1,197. The original's own list is not to be had;
this is the one rule over whole blocks found that gives its number, so its ``latin`` and ``symbol`` labels may differ.
"""

import unicodedata
from collections.abc import Sequence

from weighin.families.glyphs.lookalikes import LOOKALIKES

ARABIC = range(0x0600, 0x0700)
FORMS_A = range(0xFB50, 0xFE00)
FORMS_B = range(0xFE70, 0xFF00)
ASCII = range(0x21, 0x7F)
LATIN_1 = tuple(code for code in range(0xA1, 0x100) if code != 0xAD)  # U+00AD, the soft hyphen, is only sometimes drawn
UNDRAWN = frozenset((0x061D, 0xFD40, 0xFD41, *range(0xFD43, 0xFD50), 0xFDCF, 0xFDFE, 0xFDFF))
NEWER = frozenset((*range(0xFBC3, 0xFBD3), *range(0xFD90, 0xFD92), *range(0xFDC8, 0xFDCF)))  # of Unicode 16 and 17

FORMS = ("isol", "init", "medi", "final", "liga", "digit", "diacritic", "punctuation", "symbol", "latin", "latin_digit")
_JOINING = {"<isolated>": "isol", "<initial>": "init", "<medial>": "medi", "<final>": "final"}
_CARRIERS = ("\u0020", "\u0640")  # a space or a tatweel that only carries a mark


def letters_of(code: int) -> str:
    """The characters that a presentation form stands for (``"لا"`` for U+FEFB), or the character itself."""
    parts = unicodedata.decomposition(chr(code)).split()
    return "".join(chr(int(part, 16)) for part in parts[1:]) if parts and parts[0] in _JOINING else chr(code)


def joining_of(code: int) -> str:
    """``isol``, ``init``, ``medi`` or ``final`` of a presentation form; empty for any other character."""
    parts = unicodedata.decomposition(chr(code)).split()
    return _JOINING.get(parts[0], "") if parts else ""


def _form(code: int) -> str:
    category = unicodedata.category(chr(code))
    latin = code < 0x100
    if joining_of(code):
        letters = letters_of(code)
        if letters[0] in _CARRIERS:
            return "diacritic"
        return joining_of(code) if len(letters) == 1 else "liga"
    if category[0] == "L":
        return "latin" if latin else "isol"
    if category == "Nd":
        return "latin_digit" if latin else "digit"
    return {"M": "diacritic", "P": "punctuation"}.get(category[0], "symbol")


def _codes() -> tuple[int, ...]:
    blocks = (*ASCII, *LATIN_1, *ARABIC, *FORMS_A, *FORMS_B)
    return tuple(c for c in blocks if c not in UNDRAWN and c not in NEWER and unicodedata.category(chr(c)) != "Cn")


CODES: tuple[int, ...] = _codes()  # label index -> codepoint, ascending
LABELS: tuple[str, ...] = tuple(f"{code}_{_form(code)}" for code in CODES)  # "1575_isol", "65_latin"
CLASS_OF: dict[str, int] = {label: index for index, label in enumerate(LABELS)}
CLASS_OF_CODE: dict[int, int] = {code: index for index, code in enumerate(CODES)}


def code_of(label: str) -> int:
    """The codepoint of a label."""
    return int(label.partition("_")[0])


def form_of(label: str) -> str:
    """The form of a label, one of FORMS: ``init`` for ``65169_init``."""
    return label.partition("_")[2]


def base_of(label: str) -> str:
    """The text that a label stands for, without its form: ``"ب"`` for ``65169_init``, ``"لا"`` for U+FEFB."""
    return letters_of(code_of(label))


def script_of(label: str) -> str:
    """``latin`` or ``arabic``, by block."""
    return "latin" if code_of(label) < 0x100 else "arabic"


def _key(code: int) -> tuple[str, ...]:
    """What two labels share when they are the same character in the same form by Unicode's own data.

    U+FE8D is U+0627 isolated; U+FC03 and U+FBF9 are the same ligature; U+FE70 is U+064B on a space: a mark
    drawn with no letter. A mark on a tatweel is another drawing, so it keeps its form.
    """
    letters, joining = letters_of(code), joining_of(code)
    if joining == "isol" and letters[0] == " ":
        return (letters[1:], "")
    return (letters, "" if joining == "isol" and len(letters) == 1 else joining)


def _groups() -> tuple[int, ...]:
    """Union of equal keys and of LOOKALIKES; classes are numbered by their first label."""
    root = {code: code for code in CODES}

    def find(code: int) -> int:
        while root[code] != code:
            code = root[code]
        return code

    first: dict[tuple[str, ...], int] = {}
    same = [(first.setdefault(_key(code), code), code) for code in CODES]
    for one, other in (*same, *LOOKALIKES):
        low, high = sorted((find(one), find(other)))
        root[high] = low
    number: dict[int, int] = {}
    return tuple(number.setdefault(find(code), len(number)) for code in CODES)


GROUPS: tuple[int, ...] = _groups()  # label index -> merged class


def _members() -> tuple[tuple[str, ...], ...]:
    found: list[list[str]] = [[] for _ in range(max(GROUPS) + 1)]
    for label, group in zip(LABELS, GROUPS, strict=True):
        found[group].append(label)
    return tuple(tuple(labels) for labels in found)


MEMBERS: Sequence[tuple[str, ...]] = _members()  # merged class -> its labels


def members(label: str) -> tuple[str, ...]:
    """All labels that no eye can tell from this one, itself included, in the order of LABELS."""
    return MEMBERS[GROUPS[CLASS_OF[label]]]
