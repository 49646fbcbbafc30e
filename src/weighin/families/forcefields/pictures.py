"""A structure as a small picture: discs in the colours of the elements, farthest first."""

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

SIDE = 240  # pixels
FINE = 3  # drawn larger by this factor, then shrunk: smooth edges
MARGIN = 1.5  # A


def png(atoms: "Atoms") -> bytes:
    """Seen along the direction in which the structure is thinnest."""
    from ase.data import covalent_radii
    from ase.data.colors import jmol_colors
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (SIDE * FINE, SIDE * FINE), "white")
    draw, centred = ImageDraw.Draw(image), atoms.positions - atoms.positions.mean(0)
    flat = centred @ np.linalg.svd(centred, full_matrices=True)[2].T  # [n, 3], widest axis first
    scale = SIDE * FINE / (2 * (np.abs(flat[:, :2]).max() + MARGIN))
    for place in np.argsort(flat[:, 2]):
        number = int(atoms.numbers[place])
        x, y = flat[place, :2] * scale + SIDE * FINE / 2
        radius = 0.6 * covalent_radii[number] * scale
        colour = tuple((jmol_colors[number] * 255).astype(int).tolist())
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline="black", width=FINE)
    buffer = io.BytesIO()
    image.resize((SIDE, SIDE)).save(buffer, "PNG")
    return buffer.getvalue()
