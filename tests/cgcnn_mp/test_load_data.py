"""Training, validation and test sets, and one line for every error."""

import json
import logging
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_crystals import CRYSTALS, SHARED_ARCHIVE, needs_shared_archive, pack, write_folder

from dh_project.cgcnn_mp.crystals.settings import DataSettings
from dh_project.cgcnn_mp.crystals.splits import find_grouping
from dh_project.cgcnn_mp.graphs.labelled_graphs import atomic_numbers, label_graphs
from dh_project.cgcnn_mp.graphs.original_graphs import original_graph
from dh_project.cgcnn_mp.load_data import DataError, load_data, main


@pytest.fixture(scope="module")
def shipped():
    return load_data(progress=False)


def test_the_shipped_set_is_the_default(shipped):
    assert [len(crystals) for crystals in shipped] == [2363, 787, 788]


def test_no_crystal_is_in_two_sets(shipped):
    ids = [identifier for crystals in shipped for identifier in crystals.ids]
    assert len(set(ids)) == len(ids) == 3938


def test_the_sets_share_one_set_of_graphs(shipped):
    train, valid, test = shipped
    assert train.graphs is valid.graphs is test.graphs


def test_labels_are_formation_energies_unless_asked_otherwise(shipped):
    train, _, _ = shipped
    assert train.labels.dtype == torch.float64
    assert train.labels[train.ids.index("mp-10")].item() == 0.1074050600000005
    hull, _, _ = load_data(label="e_above_hull", progress=False)
    assert hull.ids == train.ids
    assert (hull.labels >= 0).all()


def test_batches_have_the_neighbours_that_were_asked_for(shipped):
    train, _, _ = load_data(max_num_nbr=9, progress=False)
    batch = next(train.batches(64))
    neighbours = torch.zeros(len(batch.elements)).index_add(0, batch.edges.classes, batch.edges.repeats)
    assert (neighbours == 9).all()
    assert batch.element_features.shape == (100, 92)


def test_folded_or_not_the_atoms_are_the_same(shipped):
    unfolded, _, _ = load_data(quotient=False, progress=False)
    folded, _, _ = shipped
    assert unfolded.ids == folded.ids
    assert torch.equal(unfolded.graphs.atom_counts, folded.graphs.atom_counts)
    assert len(unfolded.graphs.elements) > 2 * len(folded.graphs.elements)


def test_the_originals_ties_keep_exactly_what_was_asked_for(folder: Path):
    graphs = label_graphs(DataSettings(data=folder, max_num_nbr=5, radius=6.0, ties="pymatgen")).graphs
    assert graphs.first_edge.diff().tolist() == [5] * 24
    assert graphs.repeats.tolist() == [1] * 120


def test_fewer_of_the_originals_neighbours_are_its_first_ones(folder: Path, tmp_path: Path):
    """All numbers up to 16 are cut from the same file."""
    settings = DataSettings(data=folder, max_num_nbr=5, ties="pymatgen", cache_folder=tmp_path / "cache")
    sliced = label_graphs(settings).graphs
    label_graphs(replace(settings, max_num_nbr=12))
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 1
    right = [original_graph((folder / f"{one}.cif").read_bytes(), 8.0, 5) for one in sliced.ids]
    batch = sliced.batch(torch.arange(len(right)))
    neighbours = np.concatenate([graph.neighbours + 2 * row for row, graph in enumerate(right)])
    distances = np.concatenate([graph.distances[graph.shells] for graph in right])
    np.testing.assert_array_equal(batch.edges.neighbours, neighbours)
    np.testing.assert_array_equal(batch.distances[batch.edges.shells], distances)


def test_a_folder_and_its_archive_give_the_same_sets(folder: Path):
    for one, other in zip(load_data(folder), load_data(pack(folder, ".xz")), strict=True):
        assert one.ids == other.ids
        assert torch.equal(one.labels, other.labels)


def test_a_label_that_was_changed_is_seen(folder: Path):
    load_data(folder)
    table = folder / "id_prop.csv"
    table.write_text(table.read_text().replace("LiF,0", "LiF,100"))
    graphs = label_graphs(DataSettings(data=folder)).graphs
    assert graphs.labels[graphs.ids.index("LiF")] == 100


def test_a_column_of_the_label_table_can_be_chosen(folder: Path):
    rows = [f"{identifier},{-position},salt" for position, identifier in enumerate(CRYSTALS)]
    (folder / "labels.csv").write_text("\n".join(["material_id,band_gap,kind", *rows]))
    graphs = label_graphs(DataSettings(data=folder, label="band_gap")).graphs
    assert graphs.labels.tolist() == [[-n] for n in range(12)]


@pytest.mark.parametrize("label", [["gap", "id_prop.csv"], "gap, id_prop.csv"])
def test_several_labels_are_learnt_by_the_crystals_that_have_them_all(folder: Path, label):
    rows = [f"{identifier},{position / 10}" for position, identifier in enumerate(CRYSTALS)]
    (folder / "labels.csv").write_text("\n".join(["material_id,gap", *rows[:-1], "RbBr,wide"]))
    data_set = label_graphs(DataSettings(data=folder, label=label, max_lost_share=0.1))
    assert data_set.graphs.label_names == ("gap", "id_prop.csv")
    assert data_set.left_out == {"RbBr": "label gap 'wide' is not a finite number"}
    assert data_set.graphs.labels[data_set.usable].tolist() == [[n / 10, n] for n in range(11)]


def test_a_label_named_twice_is_refused(folder: Path):
    with pytest.raises(DataError, match="name each label once"):
        load_data(folder, label="id_prop.csv,id_prop.csv")


def test_an_unknown_label_names_the_near_one_and_all(folder: Path):
    (folder / "labels.csv").write_text("material_id,band_gap\nLiF,1\n")
    with pytest.raises(
        DataError, match=r"'bandgap' \(did you mean 'band_gap'\?\); valid: id_prop.csv, band_gap"
    ):
        load_data(folder, label="bandgap")


def test_the_folders_element_features_are_honoured(folder: Path):
    features = {number: [number, 1.0] for number in range(1, 90)}
    (folder / "atom_init.json").write_text(json.dumps(features))
    train, _, _ = load_data(folder)
    assert train.graphs.element_features[10].tolist() == [11, 1]
    assert train.graphs.element_features.shape == (89, 2)


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("", "missing label"),
        ("high", "label 'high' is not a finite number"),
        ("inf", "label 'inf' is not"),
        ("nan", "label 'nan'"),
    ],
)
def test_a_crystal_without_a_usable_label_is_left_out(broken, label: str, reason: str):
    folder = broken(CRYSTALS["LiF"].to(fmt="cif"), label)
    data_set = label_graphs(DataSettings(data=folder, max_lost_share=0.5))
    assert data_set.left_out["bad"].startswith(reason)
    assert "bad" not in [data_set.graphs.ids[row] for row in data_set.usable]


def test_a_crystal_without_element_features_is_left_out(folder: Path):
    features = {number: [1.0] for number in range(1, 90) if number != 3}
    (folder / "atom_init.json").write_text(json.dumps(features))
    data_set = label_graphs(DataSettings(data=folder, max_lost_share=0.5))
    assert data_set.left_out == dict.fromkeys(
        ("LiF", "LiCl", "LiBr"), "the element of atomic number 3 has no features"
    )


def test_what_is_left_out_is_logged_in_one_line(broken, caplog):
    with caplog.at_level(logging.WARNING):
        load_data(broken("garbage", "1.0"), max_lost_share=0.1)
    (record,) = caplog.records
    assert "1 of 13 crystals" in record.message
    assert "bad: unparsable CIF" in record.message


def test_too_many_losses_are_an_error_that_names_them(broken):
    with pytest.raises(
        DataError, match=r"1 of 13 crystals .* \(bad: no readable file bad.cif\); .* max_lost_share"
    ):
        load_data(broken("", "1.0"))


def test_a_data_set_of_which_nothing_is_left_is_an_error(tmp_path: Path):
    (tmp_path / "id_prop.csv").write_text("a,1\n")
    with pytest.raises(DataError, match="1 of 1 crystals"):
        load_data(tmp_path, max_lost_share=1.0)


@pytest.mark.parametrize("group_by", ["composition", "chemical_system"])
def test_no_group_is_in_two_sets_if_asked(group_by: str):
    sets = load_data(group_by=group_by, progress=False)
    group = find_grouping(group_by)
    groups = [
        {group(atomic_numbers(crystals.graphs, row)) for row in crystals.rows.tolist()} for crystals in sets
    ]
    assert len(set.union(*groups)) == sum(map(len, groups))
    assert [round(len(crystals) / 3938, 2) for crystals in sets] == [0.6, 0.2, 0.2]


def test_split_files_are_followed(folder: Path, tmp_path: Path):
    for name, ids in {"train": "LiF\nNaCl", "valid": "KBr", "test": "RbF"}.items():
        (tmp_path / f"{name}.txt").write_text(ids)
    assert [crystals.ids for crystals in load_data(folder, split_files=tmp_path)] == [
        ["LiF", "NaCl"],
        ["KBr"],
        ["RbF"],
    ]


def test_a_test_ratio_of_zero_gives_an_empty_test_set(folder: Path):
    assert [
        len(crystals) for crystals in load_data(folder, train_ratio=0.75, val_ratio=0.25, test_ratio=0)
    ] == [9, 3, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"radios": 6.0}, "unknown argument 'radios' .did you mean 'radius'"),
        ({"train_ratio": 0.9}, "cannot split 0.9/0.2/0.2"),
        ({"val_ratio": 0}, "must be above 0"),
        ({"max_num_nbr": 0}, "max_num_nbr is 0"),
        ({"radius": -1.0}, "radius is -1"),
        ({"label": "gap"}, "unknown label 'gap'"),
        ({"ties": "pymatgn"}, "did you mean 'pymatgen'"),
        ({"data": "/nowhere"}, "no data at /nowhere"),
        ({"split_files": "/nowhere", "group_by": "composition"}, "exclude each other"),
        ({"group_by": "element"}, "unknown group_by 'element'; valid: composition, chemical_system"),
        ({"split_files": "/nowhere"}, "give a folder with train.txt"),
    ],
)
def test_bad_settings_are_one_line(settings, message):
    with pytest.raises(DataError, match=message) as caught:
        load_data(progress=False, **settings)
    assert "\n" not in str(caught.value)


def test_a_data_set_too_small_to_split_is_an_error(tmp_path: Path):
    folder = write_folder(tmp_path / "two", dict(list(CRYSTALS.items())[:2]))
    with pytest.raises(DataError, match="set is empty: 2 crystals"):
        load_data(folder)


def test_the_command_shows_shapes_statistics_and_crystals(capsys):
    assert main(["flla"]) == 0
    shown = capsys.readouterr().out
    assert "train_labels shape: (2363,)  mean -1.2367" in shown
    assert "mp-10: As, 2 atoms, label 0.1074" in shown
    assert "left out: 0" in shown


def test_the_command_ends_with_status_2_and_one_line_on_bad_data(tmp_path: Path):
    command = [sys.executable, "-m", "dh_project.cgcnn_mp.load_data", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.startswith("error: ")
    assert run.stderr.count("\n") == 1
    assert not run.stdout


@needs_shared_archive
@pytest.mark.slow
def test_a_slice_of_the_shared_archive_loads(tmp_path: Path):
    """Every hundredth crystal of mp33k is usable, and a second call is fast."""
    import tarfile

    folder = tmp_path / "slice"
    folder.mkdir()
    with tarfile.open(SHARED_ARCHIVE) as archive:
        table = archive.extractfile("mp33k/id_prop.csv").read().decode().splitlines()[::100]
        ids = {line.split(",")[0] for line in table}
        for member in archive:
            if Path(member.name).stem in ids:
                (folder / Path(member.name).name).write_bytes(archive.extractfile(member).read())
    (folder / "id_prop.csv").write_text("\n".join(table))
    assert not label_graphs(DataSettings(data=folder, max_lost_share=0.0)).left_out
    begin = time.monotonic()
    assert sum(map(len, load_data(folder))) == len(ids)
    assert time.monotonic() - begin < 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["label=gap"], "unknown label 'gap'"),
        (["lable=gap"], "did you mean 'label'"),
        (["flla", "flla"], "name one data set"),
        (["nowhere"], "no data at nowhere"),
        (["max_num_nbr=0"], "max_num_nbr is 0"),
    ],
)
def test_the_command_tells_a_mistake_in_one_line(words: list[str], said: str, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
