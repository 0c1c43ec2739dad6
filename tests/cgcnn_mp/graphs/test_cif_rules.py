"""Every decision on CIF files, by the table in docs/data.rst, and against pymatgen and gemmi as oracles."""

from __future__ import annotations

import re
import tarfile
import warnings
from pathlib import Path

import gemmi
import numpy as np
import pytest
from cif_examples import COLUMNS, EXAMPLES, HEAD, SITES, Example, named, salt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.core import Structure
from small_crystals import SHARED_ARCHIVE, needs_shared_archive

from dh_project.cgcnn_mp.graphs.cif import read_structures, structure_of
from dh_project.cgcnn_mp.graphs.cif_rules import UnusableCrystal
from dh_project.cgcnn_mp.graphs.cif_rules.careful import read_carefully
from dh_project.cgcnn_mp.graphs.cif_rules.elements import SYMBOLS

TABLE = Path(__file__).parents[3] / "docs" / "data.rst"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.row}: {example.remark}"[:70])
def test_each_decision_is_as_the_table_says(example: Example):
    cells, remarks = read_structures([example.text.encode()])
    assert cells.atom_counts.tolist() == [example.atoms], remarks
    said = remarks.notes[0] if example.atoms else remarks.reasons[0]
    assert example.remark in said
    assert bool(said) == bool(example.remark)
    assert "\n" not in said


def test_the_docs_list_these_decisions():
    rows = re.findall(r"^   \* - (.+)$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(rows) - {"In the file"} == {example.row for example in EXAMPLES}


SPACE_GROUPS = list(gemmi.spacegroup_table())
PARAMETERS = {  # cells that have the symmetry
    "triclinic": "7.1 8.3 9.7 81 97 103",
    "monoclinic b": "7.1 8.3 9.7 90 97 90",
    "monoclinic c": "7.1 8.3 9.7 90 90 97",
    "monoclinic a": "7.1 8.3 9.7 97 90 90",
    "orthorhombic": "7.1 8.3 9.7 90 90 90",
    "tetragonal": "7.1 7.1 9.7 90 90 90",
    "trigonal": "7.1 7.1 9.7 90 90 120",
    "rhombohedral": "7.1 7.1 7.1 81 81 81",
    "hexagonal": "7.1 7.1 9.7 90 90 120",
    "cubic": "9.7 9.7 9.7 90 90 90",
}


def cell_of_group(group: gemmi.SpaceGroup) -> str:
    system = group.crystal_system_str()
    if system == "monoclinic":
        system += f" {group.monoclinic_unique_axis()}"
    return PARAMETERS["rhombohedral" if group.ext == "R" else system]


def listed(group: gemmi.SpaceGroup) -> str:
    operations = "".join(f"'{operation.triplet()}'\n" for operation in group.operations())
    return f"loop_\n_space_group_symop_operation_xyz\n{operations}"


def sorted_atoms(numbers: np.ndarray, places: np.ndarray) -> list[tuple[float, ...]]:
    rounded = np.round(np.asarray(places) % 1, 4) % 1
    return sorted((int(number), *row) for number, row in zip(numbers, rounded.tolist(), strict=True))


def by_gemmi(text: str, group: gemmi.SpaceGroup) -> list[tuple[float, ...]]:
    small = gemmi.make_small_structure_from_block(gemmi.cif.read_string(text).sole_block())
    small.spacegroup = group
    small.setup_cell_images()
    atoms = small.get_all_unit_cell_sites()
    return sorted_atoms(
        np.array([atom.element.atomic_number for atom in atoms]),
        np.array([atom.fract.tolist() for atom in atoms]),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SPACE_GROUPS), st.data())
def test_a_space_group_by_list_symbol_or_hall_name_gives_the_same_atoms(
    group: gemmi.SpaceGroup, data: st.DataObject
):
    """gemmi applies the operations too; sites are placed far from symmetry elements, or exactly on the origin."""
    place = data.draw(st.sampled_from(["0.1370 0.0910 0.2110", "0 0 0", "0.25 0.25 0.25", "0 0.0910 0"]))
    ways = {
        "list": named("", f"Xe1 Xe {place}", cell=cell_of_group(group), more=listed(group)),
        "symbol": named(group.xhm(), f"Xe1 Xe {place}", cell=cell_of_group(group)),
        "hall": named(
            "", f"Xe1 Xe {place}", cell=cell_of_group(group), more=f"_space_group_name_Hall '{group.hall}'\n"
        ),
    }
    right = by_gemmi(ways["list"], group)
    for name, text in ways.items():
        cells, remarks = read_structures([text.encode()])
        if remarks.reasons[0]:
            assert "too close" in remarks.reasons[0], name
            continue
        assert not remarks.notes[0]
        assert sorted_atoms(cells.numbers, cells.coordinates) == right, name


def by_pymatgen(text: str) -> tuple[Structure | None, bool]:
    """Return the structure, and whether pymatgen had something to say."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            return Structure.from_str(text, fmt="cif"), bool(said)
        except Exception:
            return None, True


LINES = salt(column="occupancy", values="1").splitlines()
MUTATIONS = ["drop", "double", "swap", "digit", "token", "tag"]
TOKENS = [
    "?",
    ".",
    "0.3",
    "-1",
    "1e9",
    "nan",
    "OH",
    "Na",
    "H",
    "x,y",
    "'-x,-y,-z'",
    "2",
    "data_y",
    "loop_",
    "90",
    "_cell",
]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 2))):
        row = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(MUTATIONS))
        if kind == "drop" and len(lines) > 1:
            del lines[row]
        elif kind == "double":
            lines.insert(row, lines[row])
        elif kind == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[row], lines[other] = lines[other], lines[row]
        elif kind == "digit":
            lines[row] = re.sub(r"\d", draw(st.sampled_from("0123456789")), lines[row], count=1)
        elif kind == "token":
            words = lines[row].split() or [""]
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(TOKENS))
            lines[row] = " ".join(words)
        elif kind == "tag":
            lines[row] = lines[row].replace("_", draw(st.sampled_from([".", "", "_x"])), 1)
    return "\n".join(lines) + "\n"


@settings(max_examples=150, deadline=None)
@given(mutated())
def test_a_mutated_file_is_refused_named_or_read_as_pymatgen_reads_it(text: str):
    """No exception escapes, and what is read without a remark is what pymatgen reads without a warning."""
    cells, remarks = read_structures([text.encode()])
    assert bool(remarks.reasons[0]) == (cells.atom_counts[0] == 0)
    theirs, warned = by_pymatgen(text)
    if remarks.reasons[0] or remarks.notes[0] or warned:
        return
    assert theirs is not None
    assert sorted_atoms(cells.numbers, cells.coordinates) == sorted_atoms(
        np.array(theirs.atomic_numbers), theirs.frac_coords
    )


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_a_reason(content: bytes):
    for text in (content, salt().encode() + content, b"data_x\nloop_\n" + content):
        cells, remarks = read_structures([text])
        assert bool(remarks.reasons[0]) == (cells.atom_counts[0] == 0)


@given(st.text(max_size=12))
def test_no_value_of_a_tag_escapes(value: str):
    quoted = "'" + re.sub(r"[\n\r']", " ", value) + "'"
    for tag in (
        "_symmetry_space_group_name_H-M",
        "_space_group_name_Hall",
        "_cell_volume",
        "_chemical_formula_sum",
    ):
        read_structures(
            [salt(head=HEAD.replace("_cell_length_a", f"{tag} {quoted}\n_cell_length_a")).encode()]
        )


@pytest.mark.parametrize("symbol", SYMBOLS[:103])
def test_an_element_is_read_from_its_symbol_ion_and_label(symbol: str):
    for label, kind in (
        (f"{symbol}1", symbol),
        ("X", f"{symbol}2+"),
        ("X", f"{symbol}+"),
        (f"{symbol}1A", "."),
    ):
        text = HEAD + "".join(f"_atom_site_{name}\n" for name in COLUMNS) + f"{label} {kind} 0 0 0\n"
        assert SYMBOLS[read_carefully(text.encode()).cell.atomic_numbers[0] - 1] == symbol


def test_the_original_graphs_refuse_and_remark_alike():
    structure, note = structure_of(
        salt(head=HEAD.replace("loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'\n", "")).encode()
    )
    assert len(structure) == len(SITES)
    assert note == "no symmetry is given: read as P 1"
    with pytest.raises(UnusableCrystal, match="too close"):
        structure_of(salt("Na9 Na 0.01 0 0").encode())


@needs_shared_archive
@pytest.mark.slow
def test_no_real_crystal_is_refused_or_remarked_by_either_reader():
    with tarfile.open(SHARED_ARCHIVE) as archive:
        files = (member for member in archive if member.name.endswith(".cif"))
        contents = [archive.extractfile(member).read() for member in files]
    for begin in range(0, len(contents), 1000):
        _, remarks = read_structures(contents[begin : begin + 1000])
        assert set(remarks.reasons) == set(remarks.notes) == {""}
    for content in contents[::40]:
        assert not read_carefully(content).notes
