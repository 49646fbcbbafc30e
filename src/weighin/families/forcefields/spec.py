"""Data specs: ``kind``, ``kind:PLACE``, each followed by ``@option=value`` any number of times."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from weighin.core.errors import DataError, closest

KINDS = {
    "synthetic": "26 small molecules labelled with GFN2-xTB in a few seconds, then kept",
    "gfn2": "550 molecules, 24 frames each, by GFN2-xTB (about ten minutes of CPU, then kept); gfn2:FILE.smi labels yours; "
    "@molecules=N @frames=N for fewer",
    "labelled": "labelled:DIR, what labelling wrote",
    "extxyz": "extxyz:FILE or extxyz:DIR, energies and forces in the file, also as REF_energy, REF_forces, REF_stress",
    "asedb": "asedb:FILE, a database of ASE with energies and forces",
    "rmd17": "rmd17:DIR/MOLECULE, split 01 of revised MD17 in npz, kcal/mol",
    "npz": "npz:FILE or npz:DIR, arrays of trajectories (types or nuclear_charges, coord, energy, force, box)",
    "h5": "h5:FILE, HDF5 with ragged /structures and /labels",
}
_SPLIT = {"train": "names or temperatures to train on", "test": "names or temperatures to test on"}
_HYDROGENS = {"hydrogens": "implicit where they are left out on purpose"}
_FILE = {
    **_SPLIT,
    **_HYDROGENS,
    "files": "names of the files to read",
    "units": "energy unit, or ENERGY,FORCES: eV, kcal/mol, kJ/mol, Hartree, Hartree,eV/A ...",
    "stress": "unit of the stress: eV/A^3, GPa, kbar; a minus sign where compression is positive; none leaves it out",
    "energy": "name of the energy in the file",
    "forces": "name of the forces in the file",
}
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "synthetic": {},
    "gfn2": {**_SPLIT, "molecules": "how many molecules of the list", "frames": "how many frames a molecule"},
    "labelled": _SPLIT,
    "extxyz": _FILE,
    "asedb": {key: _FILE[key] for key in ("train", "test", "hydrogens", "units", "stress")},
    "rmd17": {"split": "01 to 05"},
    "npz": {
        **{key: _FILE[key] for key in ("train", "test", "hydrogens", "files", "units")},
        "types": "symbols of the types: O,H",
    },
    "h5": {key: _FILE[key] for key in ("train", "test", "hydrogens", "units", "stress")},
}
_OPTION = re.compile(r"@([a-z]+)=([^@]*)$")


@dataclass(frozen=True)
class Spec:
    """A data spec, taken apart."""

    text: str
    kind: str
    where: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The place as a path."""
        return Path(self.where).expanduser()

    def number(self, name: str, default: int) -> int:
        """An option that is a positive number. Raises DataError."""
        given = self.options.get(name, str(default))
        if not given.isdigit() or not int(given):
            raise DataError(f"@{name}={given} of {self.text} is no positive number")
        return int(given)


def parse(data: str) -> Spec:
    """A spec from its text. Raises DataError for unknown kinds and options, with the nearest that there is."""
    rest, options = data, {}
    while found := _OPTION.search(rest):
        options[found[1]] = found[2]
        rest = rest[: found.start()]
    kind, _, where = rest.partition(":")
    if kind not in KINDS:
        allowed = "; ".join(f"{name}: {about}" for name, about in KINDS.items())
        raise DataError(f"The family forcefields has no data {data!r}", allowed, closest(kind, KINDS) or "Use one of them")
    for name in options:
        if name not in OPTIONS[kind]:
            allowed = "; ".join(f"@{key}= {about}" for key, about in OPTIONS[kind].items()) or "none"
            raise DataError(f"{kind} has no option @{name}", f"There are: {allowed}", closest(name, OPTIONS[kind]))
    if bool(where) == (kind == "synthetic") and kind != "gfn2":
        raise DataError(f"{data!r} is not complete" if not where else f"{kind} takes no place", KINDS[kind])
    return Spec(data, kind, where, options)
