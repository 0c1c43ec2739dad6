"""Rock salt, as pymatgen has it, but not by its space group: applying that takes a second a crystal."""

from itertools import product

from pymatgen.core import Lattice, Structure

CORNERS = [(0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0)]
CENTRES = [(0.5, 0.5, 0.5), (0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5)]


def rock_salt(cation: str, anion: str, edge: float = 5.6) -> Structure:
    """Return the cubic cell, of four cations and four anions; the edge is in ångström."""
    return Structure(Lattice.cubic(edge), [cation] * 4 + [anion] * 4, CORNERS + CENTRES)


def halides() -> dict[str, Structure]:
    """Return the primitive cells of twelve alkali halides, each larger than the one before, by formula."""
    pairs = product(("Li", "Na", "K", "Rb"), ("F", "Cl", "Br"))
    return {
        f"{cation}{anion}": rock_salt(cation, anion, 4 + 0.1 * position).get_primitive_structure()
        for position, (cation, anion) in enumerate(pairs)
    }
