"""Tune CGCNN on crystals of your own.

    python 3_own_crystals.py my_crystals 12 100     # your folder, 12 trials of 100 epochs
    python 3_own_crystals.py                        # makes a small folder first: sixteen alkali halides

A folder holds ``<id>.cif`` for each crystal, and ``id_prop.csv`` with its id and label, without a header.
"""

import sys
from itertools import product
from pathlib import Path

import dh_project as dh

CIF = """\
data_{name}
_cell_length_a {edge:.4f}
_cell_length_b {edge:.4f}
_cell_length_c {edge:.4f}
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

LATTICE_CONSTANTS = [
    4.03,
    5.13,
    5.50,
    6.01,
    4.63,
    5.64,
    5.97,
    6.47,
    5.35,
    6.29,
    6.60,
    7.07,
    5.65,
    6.58,
    6.89,
    7.34,
]
"""Of LiF, LiCl, ..., RbI in the structure of rock salt, in Å."""


def make_crystals(folder):
    """Write the alkali halides, each with its volume per atom (Å³) as the label."""
    folder.mkdir(exist_ok=True)
    labels = []
    names = product(("Li", "Na", "K", "Rb"), ("F", "Cl", "Br", "I"))
    for (cation, anion), constant in zip(names, LATTICE_CONSTANTS, strict=True):
        name = cation + anion
        text = CIF.format(name=name, edge=constant / 2**0.5, cation=cation, anion=anion)
        (folder / f"{name}.cif").write_text(text)
        labels.append(f"{name},{constant**3 / 8:.3f}\n")
    (folder / "id_prop.csv").write_text("".join(labels))


crystals = Path(sys.argv[1] if sys.argv[1:] else "halides")
trials, epochs = map(int, sys.argv[2:4] or (6, 30))
if not sys.argv[1:]:
    make_crystals(crystals)

found = dh.search(
    "dh_project.cgcnn_mp.problem.Problem",
    "dh_project.cgcnn_mp.model_run.run",
    run_kwargs={"data": crystals.absolute(), "epochs": epochs},
    folder="search_own_crystals",
    max_evals=trials,
    evaluator="process",
)

print(f"validation MAE {-found.best.objective:.4g}, in the unit of the labels")
print(f"deephyper predict {found.best.folder} {crystals}    # predicts crystals with this network")
