"""A folder of small crystals, as the original CGCNN takes one."""

from itertools import product
from pathlib import Path

CIF = """\
data_{name}
_cell_length_a {edge}
_cell_length_b {edge}
_cell_length_c {edge}
_cell_angle_alpha 60
_cell_angle_beta 60
_cell_angle_gamma 60
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
{cation} {cation} 0 0 0
{anion} {anion} 0.5 0.5 0.5
"""


def write_halides(folder: Path) -> None:
    """Make a folder of twelve alkali halides, with numbers for labels."""
    folder.mkdir()
    lines = []
    for number, (cation, anion) in enumerate(product(("Li", "Na", "K", "Rb"), ("F", "Cl", "Br"))):
        name, edge = f"{cation}{anion}", 3.0 + 0.1 * number
        (folder / f"{name}.cif").write_text(CIF.format(name=name, edge=edge, cation=cation, anion=anion))
        lines.append(f"{name},{number}\n")
    (folder / "id_prop.csv").write_text("".join(lines))
