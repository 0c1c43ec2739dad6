"""CIF files as arrays: both readers agree with pymatgen."""

import re
import tarfile
from itertools import islice

import numpy as np
import pytest
from crystal_cells import SHIPPED, structure_of
from pymatgen.core import DummySpecies, Element, Lattice, Structure
from rock_salt import rock_salt
from small_crystals import CRYSTALS, SHARED_ARCHIVE, needs_shared_archive

from dh_project.cgcnn_mp.crystals.sources import Cell
from dh_project.cgcnn_mp.graphs import cif
from dh_project.cgcnn_mp.graphs.cif import read_structures
from dh_project.cgcnn_mp.graphs.cif_rules.elements import SYMBOLS
from dh_project.cgcnn_mp.graphs.lattice import MOST_ATOMS
from dh_project.cgcnn_mp.graphs.symmetry import folded_graphs

NACL = CRYSTALS["NaCl"].to(fmt="cif")


def cif_of(structure: Structure) -> bytes:
    return structure.to(fmt="cif").encode()


def assert_pymatgens(content: bytes) -> None:
    """Compare with a structure of pymatgen, whose sites are sorted by element."""
    cells, remarks = read_structures([content])
    assert remarks.reasons == [""]
    expected = Structure.from_str(content.decode(), fmt="cif")
    numbers = np.array(expected.atomic_numbers)
    ours, theirs = np.argsort(cells.numbers, kind="stable"), np.argsort(numbers, kind="stable")
    np.testing.assert_array_equal(cells.numbers[ours], numbers[theirs])
    np.testing.assert_allclose(cells.lattices[0], expected.lattice.matrix, atol=1e-12)
    np.testing.assert_allclose(cells.coordinates[ours], expected.frac_coords[theirs], atol=1e-12, rtol=0)


@pytest.fixture
def only_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(content: bytes) -> None:
        raise AssertionError(f"this file is not plain: {content[:40]!r}")

    monkeypatch.setattr(cif, "read_carefully", fail)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("only_plain")
def test_cells_that_pymatgen_wrote_are_read_as_it_reads_them():
    for _, cell in SHIPPED[::40]:
        assert_pymatgens(cif_of(structure_of(cell)))


@needs_shared_archive
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("only_plain")
def test_real_files_are_read_as_pymatgen_reads_them():
    with tarfile.open(SHARED_ARCHIVE) as archive:
        files = (member for member in archive if member.name.endswith(".cif"))
        for member in islice(files, 0, 900, 3):
            assert_pymatgens(archive.extractfile(member).read())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("only_plain")
@pytest.mark.parametrize("value", ["0.33333000", "0.66667", "0.3334", "0.33332", "-0.33333", "1.25", "-0.5"])
def test_coordinates_are_rounded_and_wrapped_as_pymatgen_does(value: str):
    assert_pymatgens(NACL.replace("0.50000000", value).encode())


UNUSUAL = {
    "symmetry": rock_salt("Na", "Cl", 5).to(fmt="cif", symprec=0.1),
    "no symmetry at all": NACL.replace(" _symmetry_equiv_pos_as_xyz\n", " _something\n"),
    "uncertainty": NACL.replace("0.50000000", "0.500(2)"),
    "a block without atoms": "data_global\n_journal_year 1999\n" + NACL,
    "lines of Windows": NACL.replace("\n", "\r\n"),
    "another order of the tags": "data_x\n"
    + "\n".join(reversed(NACL.split("loop_")[0].splitlines()[2:]))
    + "\nloop_"
    + NACL.split("loop_", 1)[1],
    "oxidation states": CRYSTALS["NaCl"].copy().add_oxidation_state_by_guess().to(fmt="cif"),
    "deuterium": re.sub("Na( |1 |Cl)", r"D\1", NACL).replace("NaCl", "DCl"),
    "a label for a symbol": re.sub("Na +Na", "Na1  Na", NACL),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_unusual_is_read_with_care(name: str, monkeypatch: pytest.MonkeyPatch):
    asked = []
    read = cif.read_carefully
    monkeypatch.setattr(cif, "read_carefully", lambda content: asked.append(content) or read(content))
    assert_pymatgens(UNUSUAL[name].encode())
    assert asked


def test_plain_and_unusual_files_and_cells_keep_their_order():
    plain, unusual, shipped = NACL.encode(), UNUSUAL["deuterium"].encode(), SHIPPED[0][1]
    written = [plain, unusual, shipped, b"garbage", cif_of(CRYSTALS["KF"])]
    cells, (reasons, _) = read_structures(written)
    assert cells.atom_counts.tolist() == [2, 2, len(shipped.atomic_numbers), 0, 2]
    assert [bool(reason) for reason in reasons] == [False, False, False, True, False]
    assert sorted(cells.numbers[-2:]) == [9, 19]
    np.testing.assert_array_equal(cells.lattices[2], shipped.lattice)


def test_symbols_are_those_of_the_periodic_table():
    assert [Element.from_Z(number).symbol for number in range(1, 119)] == SYMBOLS


TWICE = NACL.replace("0.50000000", "0.00000500")
HALF = Structure(Lattice.cubic(3.0), [{"Fe": 0.5, "Ni": 0.5}], [[0, 0, 0]])
VACANT = Structure(Lattice.cubic(3.0), [{"Fe": 0.5}], [[0, 0, 0]])
LONELY = Structure(Lattice.cubic(30.0), ["Xe"], [[0, 0, 0]])
DUMMY = Structure(Lattice.cubic(3.0), [DummySpecies("X")], [[0, 0, 0]])
MANY = Cell(np.eye(3) * 99, np.ones(MOST_ATOMS + 1, np.uint8), np.zeros((MOST_ATOMS + 1, 3)))
CUBE = Cell(np.eye(3) * 3, np.array([0], np.uint8), np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (b"\x00\xffgarbage", "unparsable CIF"),
        (b"", "unparsable CIF"),
        (NACL.replace("0.50000000", "0.0").encode(), "occupancy 2 at site Cl0: Na1 lies on it too"),
        (TWICE.encode(), "occupancy 2 at site"),
        (cif_of(HALF), "partial occupancy"),
        (cif_of(VACANT), "partial occupancy"),
        (cif_of(LONELY), "isolated atom: Xe has no neighbour within 8 Å"),
        (cif_of(DUMMY), "no element"),
        (MANY, "too many atoms: 32,768, at most 32,767 fit"),
        (CUBE, "no element: atomic number 0"),
        (CUBE._replace(atomic_numbers=np.array([119])), "no element: atomic number 119"),
        (CUBE._replace(atomic_numbers=np.array([9]), lattice=np.ones((3, 3))), "flat"),
        (
            CUBE._replace(atomic_numbers=np.array([9]), fractional_coordinates=np.full((1, 3), np.nan)),
            "finite",
        ),
        (re.sub("(_length_c +).*", r"\1nan", NACL).encode(), "_cell_length_c is 'nan', not a number"),
        (re.sub("(_length_c +).*", r"\1inf", NACL).encode(), "_cell_length_c is 'inf', not a number"),
        (
            CUBE._replace(atomic_numbers=np.array([9]), lattice=np.eye(3) * 0.4),
            "too close: F and F are 0.4 Å apart",
        ),
        (re.sub("(_angle_alpha +).*", r"\1 0", NACL).encode(), "not finite"),
    ],
)
def test_a_crystal_without_a_graph_says_why(written, reason: str, recwarn: pytest.WarningsRecorder):
    good = cif_of(CRYSTALS["NaCl"])
    graphs, (reasons, _) = folded_graphs([good, written, good], 8.0, 16)
    assert graphs.class_counts.tolist() == [2, 0, 2]
    assert reasons[0] == reasons[2] == ""
    assert reason in reasons[1]
    assert "\n" not in reasons[1]
    assert not recwarn.list
