"""Which font files there are, and which of them belong to one family."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from weighin.core.errors import DataError

SUFFIXES = frozenset((".ttf", ".otf", ".ttc", ".otc"))

# Words of a family name that say weight, width, slope or use, not design.
_STYLES = frozenset(
    word
    for line in (
        "thin hairline light extralight ultralight regular normal book roman medium demi demibold semi semibold bold extrabold",
        "ultrabold extra ultra black heavy italic oblique slanted condensed semicondensed extracondensed cond narrow wide",
        "expanded ui display caption web pro std new lt mt slim",
    )
    for word in line.split()
)
# Noto's fonts for one script carry the Latin letters and digits of Noto Sans or Noto Serif: one design, so one group.
# Its Arabic designs stand for themselves.
_NOTO_OWN = frozenset(("arabic", "nastaliq", "urdu", "kufi", "naskh", "mono"))


def font_files(data: str) -> list[Path]:
    """The files that ``fonts``, ``fonts:DIR`` or ``fonts:FILE`` names, sorted. Raises DataError where there is none."""
    where = data.partition(":")[2]
    if not where:
        found = _installed()
        if not found:
            raise DataError("No font is installed", "Files ending in " + ", ".join(sorted(SUFFIXES)), "Use --data synthetic")
        return found
    path = Path(where).expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"There is no font file or folder {path}", "fonts, fonts:DIR or fonts:FILE", "Check the path")
    found = _below(path)
    if not found:
        raise DataError(f"No font in {path}", "Files ending in " + ", ".join(sorted(SUFFIXES)), "Name another folder")
    return found


def _below(folder: Path) -> list[Path]:
    """Font files below a folder, sorted. Raises DataError where the folder may not be read."""
    try:
        next(folder.iterdir(), None)
        return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    except PermissionError as error:
        raise DataError(f"The folder {folder} may not be read", hint="Change its permissions or name another") from error


def _installed() -> list[Path]:
    """What fontconfig lists; without it, what lies in the usual folders."""
    program = shutil.which("fc-list")
    if program:
        try:
            listed = subprocess.run([program, "--format=%{file}\n"], capture_output=True, text=True, timeout=60, check=True)
            paths = {Path(line) for line in listed.stdout.splitlines()}
            return sorted(path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())
        except (OSError, subprocess.SubprocessError):
            pass  # a broken fontconfig is as good as none
    return sorted({path for folder in _usual_folders() if folder.is_dir() for path in _below(folder)})


def _usual_folders() -> Sequence[Path]:
    home = Path.home()
    if sys.platform == "darwin":
        return (Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts")
    if sys.platform == "win32":
        windows, local = os.environ.get("WINDIR", "C:\\Windows"), os.environ.get("LOCALAPPDATA", str(home))
        return (Path(windows) / "Fonts", Path(local) / "Microsoft/Windows/Fonts")
    return (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".fonts", home / ".local/share/fonts")


def family_group(family: str) -> str:
    """The group of a family name: lower case, without words of weight, width, slope and use.

    >>> family_group("Noto Sans Armenian SemiCondensed Black"), family_group("Noto Naskh Arabic UI")
    ('noto sans', 'noto naskh arabic')
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", family)  # "KacstBook" is two words
    words = [word for word in re.split(r"[^\w]+|_", spaced.lower()) if word]
    kept = [word for word in words if word not in _STYLES] or words
    if kept[:1] == ["noto"] and not _NOTO_OWN & set(kept):
        kept = ["noto", "serif" if "serif" in kept else "sans"]
    return " ".join(kept)


def share_of(group: str, salt: str) -> float:
    """A number from 0 to 1 that depends on the name of the group alone, so that another font moves no other."""
    digest = hashlib.sha256(f"{salt}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
