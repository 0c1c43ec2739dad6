"""One CIF file for each decision that docs/data.rst lists, made from a cell of NaCl by one change."""

from __future__ import annotations

from typing import NamedTuple

HEAD = """data_x
loop_
_symmetry_equiv_pos_as_xyz
'x,y,z'
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
"""
COLUMNS = ("label", "type_symbol", "fract_x", "fract_y", "fract_z")
SITES = (
    "Na0 Na 0 0 0",
    "Na1 Na 0.5 0.5 0",
    "Na2 Na 0.5 0 0.5",
    "Na3 Na 0 0.5 0.5",
    "Cl4 Cl 0.5 0 0",
    "Cl5 Cl 0 0.5 0",
    "Cl6 Cl 0 0 0.5",
    "Cl7 Cl 0.5 0.5 0.5",
)
OPERATIONS = "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'\n"
DIAMOND = "Si1 Si 0 0 0"


class Example(NamedTuple):
    """A decision: the row of the table, a file, and the atoms, the remark or the reason that it gives."""

    row: str
    text: str
    atoms: int
    remark: str = ""


def salt(*more: str, head: str = HEAD, column: str = "", values: str | tuple[str, ...] = "") -> str:
    """Return the cell with further sites, another head, or one more column."""
    sites = [*SITES, *more]
    if column:
        given = (values,) * len(sites) if isinstance(values, str) else values
        sites = [f"{site} {value}" for site, value in zip(sites, given, strict=True)]
    columns = [*COLUMNS, column] if column else COLUMNS
    return head + "".join(f"_atom_site_{name}\n" for name in columns) + "\n".join(sites) + "\n"


def named(symbol: str, *sites: str, cell: str = "5.43 5.43 5.43 90 90 90", more: str = "") -> str:
    """Return sites in a cell with a space group by its name only."""
    tags = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    head = "data_x\n" + (f"_symmetry_space_group_name_H-M '{symbol}'\n" if symbol else "") + more
    head += "".join(f"_cell_{tag} {value}\n" for tag, value in zip(tags, cell.split(), strict=True))
    return head + "loop_\n" + "".join(f"_atom_site_{name}\n" for name in COLUMNS) + "\n".join(sites) + "\n"


def last(value: str, others: str = "1") -> tuple[str, ...]:
    return (others,) * (len(SITES) - 1) + (value,)


def with_sites(*sites: str) -> str:
    return HEAD + "".join(f"_atom_site_{name}\n" for name in COLUMNS) + "\n".join(sites) + "\n"


RHOMBOHEDRAL = "6.36 6.36 6.36 46.1 46.1 46.1"
CALCITE = ("Ca1 Ca 0 0 0", "C1 C 0.25 0.25 0.25", "O1 O 0.507 -0.007 0.25")
INVALID = "invalid CIF, or a file that was cut short"
BLOCKS = "blocks without atoms"
SEVERAL = "several blocks with atoms"
SETTING = "space group by symbol, with its setting"
OPEN = "space group by symbol, without its setting"
NO_SYMMETRY = "no symmetry"
BY_NUMBER = "space group by number only"
NOT_A_GROUP = "listed operations that cannot be read, or are no group"
METRIC = "cell without the symmetry of its space group"
CONTRADICTION = "names of space groups, or operations, that contradict each other"
UNITS = "cell in another unit, or without all six parameters"
COORDINATE = "coordinate that is missing, unknown, or no fraction"
ELEMENT = "site that names no element, or more than one"
BY_LABEL = "label that only the formula makes clear"
OCCUPANCY_1 = "occupancy that is not given, or ``.``"
OCCUPANCY_0 = "occupancy 0"
PARTIAL = "any other occupancy"
DISORDER = "alternative sites (disorder groups)"
DUMMY = "dummy site (``calc_flag dum``)"
HYDROGEN = "attached hydrogens without coordinates"
SPECIAL = "images of a site that differ within its last digits"
SAME_PLACE = "two sites at one place"
CLOSE = "atoms closer than 0.5 Å"
FORMULA = "formula, Z, multiplicity, weight or density that contradict the sites"
UNREADABLE = "formula that cannot be read"
MODULATED = "modulated structure"
TWICE = "tag that is given twice, or columns in two loops"

EXAMPLES = [
    Example(INVALID, salt()[:-12], 0, "unparsable CIF: line 11: Wrong number of values in loop"),
    Example(INVALID, "NaCl\n1.0\n5 0 0\n", 0, "unparsable CIF: line 1: expected block header (data_)"),
    Example(BLOCKS, "data_global\n_journal_year 1999\n" + salt(), 8),
    Example(BLOCKS, "data_a\n_note\n;\ndata_b\n;\n" + salt()[7:], 8),
    Example(BLOCKS, "data_a\n_cell_length_a 5\n", 0, "no atom sites in the file"),
    Example(
        SEVERAL, salt() + salt().replace("data_x", "data_y"), 0, "2 structures in one file (data_x, data_y)"
    ),
    Example(SEVERAL, salt() + salt(), 0, "2 structures in one file (data_x, data_x)"),
    Example(SETTING, named("F d -3 m :1", DIAMOND), 8),
    Example(SETTING, named("F d -3 m :2", "Si1 Si 0.125 0.125 0.125"), 8),
    Example(SETTING, named("F d -3 m Z", "Si1 Si 0.125 0.125 0.125"), 8),
    Example(SETTING, named("F d -3 m S", DIAMOND), 8),
    Example(SETTING, named("", DIAMOND, more="_space_group_name_Hall 'F 4d 2 3 -1d'\n"), 8),
    Example(SETTING, named("F d -3 m", DIAMOND, more="_space_group_IT_coordinate_system_code 1\n"), 8),
    Example(SETTING, named("R -3 c RS", *CALCITE, cell=RHOMBOHEDRAL), 10),
    Example(SETTING, named("R -3 c", *CALCITE, cell=RHOMBOHEDRAL), 10),
    Example(OPEN, named("F d -3 m", DIAMOND), 0, "F d -3 m:1 or F d -3 m:2, and the file does not say which"),
    Example(
        OPEN,
        named("F d -3 m", DIAMOND, more="_cell_formula_units_Z 8\n_chemical_formula_sum Si\n"),
        8,
        "fits",
    ),
    Example(NO_SYMMETRY, salt(head=HEAD.replace(OPERATIONS, "")), 8, "no symmetry is given: read as P 1"),
    Example(
        BY_NUMBER, named("", DIAMOND, more="_symmetry_Int_Tables_number 225\n"), 4, "225 read in its standard"
    ),
    Example(
        NOT_A_GROUP, salt(head=HEAD.replace("'x,y,z'", "'x,y,z'\n'y,z,x'")), 0, "no group: is the list whole?"
    ),
    Example(
        NOT_A_GROUP, salt(head=HEAD.replace("'x,y,z'", "'x,y,q'")), 0, "operation 'x,y,q' cannot be read"
    ),
    Example(NOT_A_GROUP, named("F d -3 q", DIAMOND), 0, "space group F d -3 q is unknown"),
    Example(
        METRIC,
        named("F m -3 m", DIAMOND, cell="5 5 7 90 90 90"),
        0,
        "does not have the symmetry of the space",
    ),
    Example(
        METRIC, named("R -3 c H", *CALCITE, cell=RHOMBOHEDRAL), 0, "does not have the symmetry of the space"
    ),
    Example(
        CONTRADICTION,
        named("F d -3 m :1", DIAMOND, more="_symmetry_Int_Tables_number 225\n"),
        0,
        "contradict each other",
    ),
    Example(
        CONTRADICTION,
        with_sites("Na0 Na 0 0 0", "Cl4 Cl 0.5 0 0").replace(
            "_cell_length_a", "_symmetry_space_group_name_H-M 'F m -3 m'\n_cell_length_a"
        ),
        0,
        "the listed operations are of space group P1, and the file says F m -3 m",
    ),
    Example(
        CONTRADICTION,
        salt().replace("_cell_length_a", "_symmetry_space_group_name_H-M 'F m -3 m'\n_cell_length_a"),
        8,
    ),
    Example(
        UNITS, salt().replace("5.64", "0.564"), 0, "too close: Na0 and Cl4 are 0.28 Å apart; is the cell in Å"
    ),
    Example(
        UNITS,
        salt().replace("_cell_length_a", "_cell_volume 1210\n_cell_length_a"),
        0,
        "in which unit is it?",
    ),
    Example(UNITS, salt().replace("_cell_length_a 5.64\n", ""), 0, "no _cell_length_a"),
    Example(COORDINATE, salt("H1 H ? ? ?"), 0, "a coordinate of site H1 is '?', not a number"),
    Example(COORDINATE, salt("H1 H . 0.1 0.1"), 0, "a coordinate of site H1 is '.', not a number"),
    Example(
        COORDINATE, salt("H1 H 2500 0.1 0.1"), 0, "a coordinate of site H1 is 2500: fractions of the cell"
    ),
    Example(COORDINATE, salt().replace("fract_", "Cartn_"), 0, "no _atom_site_fract_x"),
    Example(ELEMENT, salt("O1 OH 0.25 0.25 0.25"), 0, "no element: site OH (type)"),
    Example(ELEMENT, salt("O1 Wat 0.25 0.25 0.25"), 0, "no element: site Wat (type)"),
    Example(ELEMENT, salt("HO1 . 0.25 0.25 0.25"), 0, "no element: site HO1 (label)"),
    Example(
        BY_LABEL,
        with_sites("NA1 . 0 0 0", "CL1 . 0.5 0.5 0.5").replace(
            "_cell_length_a", "_chemical_formula_sum 'Na Cl'\n_cell_length_a"
        ),
        2,
    ),
    Example(OCCUPANCY_1, salt(column="occupancy", values="."), 8),
    Example(
        OCCUPANCY_0, salt("H1 H 0.25 0.25 0.25", column="occupancy", values=(*last("1"), "0")), 8, "left out"
    ),
    Example(PARTIAL, salt(column="occupancy", values=last("0.5")), 0, "partial occupancy 0.5 at site Cl7"),
    Example(PARTIAL, salt(column="occupancy", values=last("2")), 0, "occupancy 2 at site Cl7"),
    Example(PARTIAL, salt(column="occupancy", values=last("?")), 0, "occupancy ? at site Cl7"),
    Example(
        DISORDER,
        salt(column="disorder_group", values=(*(".",) * 6, "1", "2")),
        0,
        "site Cl7 and site Cl6 exclude each other",
    ),
    Example(
        DUMMY,
        salt("Cg1 C 0.25 0.25 0.25", column="calc_flag", values=(*last("d", "d"), "dum")),
        8,
        "Cg1 is a dummy, and left out",
    ),
    Example(
        HYDROGEN,
        salt(column="attached_hydrogens", values=last("4", "0")),
        0,
        "site Cl7 has 4 attached hydrogens",
    ),
    Example(
        SPECIAL,
        with_sites("Si1 Si 0.1801 0.1799 0.25").replace("'x,y,z'", "'x,y,z'\n'y,x,z'"),
        1,
        "on a symmetry element, and put there: Si1",
    ),
    Example(SAME_PLACE, salt("Na9 Na 0 0 0"), 0, "occupancy 2 at site Na0: Na9 lies on it too"),
    Example(CLOSE, salt("Na9 Na 0.01 0 0"), 0, "too close: Na0 and Na9 are 0.056 Å apart"),
    Example(
        FORMULA,
        salt().replace("_cell_length_a", "_chemical_formula_sum 'Li2 O1 H4'\n_cell_length_a"),
        0,
        "the sites are Na4 Cl4 in the cell, and _chemical_formula_sum is 'Li2 O1 H4'",
    ),
    Example(
        FORMULA,
        salt().replace(
            "_cell_length_a", "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 8\n_cell_length_a"
        ),
        0,
        "_cell_formula_units_Z is 8",
    ),
    Example(FORMULA, salt(column="symmetry_multiplicity", values=last("8")), 0, "its multiplicity is 8"),
    Example(
        FORMULA,
        salt().replace("_cell_length_a", "_exptl_crystal_density_diffrn 0.32\n_cell_length_a"),
        0,
        "a density of 2.16 g/cm³",
    ),
    Example(
        UNREADABLE,
        salt().replace("_cell_length_a", "_chemical_formula_sum 'Na Cl x(H2 O)'\n_cell_length_a"),
        8,
        "cannot be read, and is not compared",
    ),
    Example(
        MODULATED,
        salt().replace("_cell_length_a", "_cell_modulation_dimension 1\n_cell_length_a"),
        0,
        "modulated",
    ),
    Example(
        TWICE,
        salt().replace("_cell_length_a 5.64", "_cell_length_a 5.64\n_cell_length_a 6"),
        0,
        "is given twice",
    ),
    Example(
        TWICE,
        salt() + "loop_\n_atom_site_occupancy\n" + "1\n" * 8,
        0,
        "_atom_site_occupancy stands in another loop",
    ),
]
