"""Splits: disjoint, by ratio, by composition, by files."""

from itertools import chain
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dh_project.cgcnn_mp.crystals import DataError
from dh_project.cgcnn_mp.crystals.splits import (
    check_ratios,
    chemical_system,
    reduced_composition,
    split_by_files,
    split_by_ratio,
    split_file_paths,
)

RATIOS = (0.6, 0.2, 0.2)
many_ids = st.lists(st.text("abc-0123", min_size=1), min_size=5, max_size=60, unique=True)


@given(ids=many_ids, seed=st.integers(0, 2**32))
def test_every_crystal_is_in_exactly_one_set_when_the_ratios_sum_to_one(ids: list[str], seed: int):
    assert sorted(chain(*split_by_ratio(ids, RATIOS, seed))) == list(range(len(ids)))


@given(ids=many_ids)
def test_set_sizes_are_within_one_of_the_ratios(ids: list[str]):
    for rows, ratio in zip(split_by_ratio(ids, RATIOS, 0), RATIOS, strict=True):
        assert abs(len(rows) - ratio * len(ids)) <= 1


@given(train=st.integers(1, 98), valid=st.integers(1, 98), seed=st.integers(0, 99))
@example(train=33, valid=56, seed=0)
def test_ratios_of_whole_percent_give_exact_sizes(train: int, valid: int, seed: int):
    valid = min(valid, 99 - train)
    sizes = (train, valid, 100 - train - valid)
    split = split_by_ratio([str(n) for n in range(100)], tuple(size / 100 for size in sizes), seed)
    assert tuple(map(len, split)) == sizes


@given(groups=st.lists(st.sampled_from("abcdefghijklmno"), min_size=60, max_size=90), seed=st.integers(0, 99))
def test_no_group_is_in_two_sets(groups: list[str], seed: int):
    groups += "abcdefghijklmno"
    sets = [{groups[row] for row in rows} for rows in split_by_ratio(groups, (0.5, 0.5, 0.0), seed)]
    assert len(set.union(*sets)) == sum(map(len, sets))


@given(ids=many_ids, order=st.randoms())
def test_the_order_of_the_crystals_does_not_matter(ids: list[str], order):
    shuffled = order.sample(ids, len(ids))
    for rows, rows_shuffled in zip(
        split_by_ratio(ids, RATIOS, 3), split_by_ratio(shuffled, RATIOS, 3), strict=True
    ):
        assert {ids[row] for row in rows} == {shuffled[row] for row in rows_shuffled}


def test_the_seed_changes_the_split():
    ids = [f"mp-{number}" for number in range(100)]
    assert split_by_ratio(ids, RATIOS, 0) != split_by_ratio(ids, RATIOS, 1)


def test_a_split_stays_the_same_for_ever():
    ids = [f"mp-{number}" for number in range(10)]
    assert split_by_ratio(ids, RATIOS, 0) == ([1, 3, 4, 6, 7, 9], [0, 8], [2, 5])


def test_what_the_ratios_leave_is_unused():
    assert [len(rows) for rows in split_by_ratio([str(n) for n in range(100)], (0.5, 0.1, 0.1), 0)] == [
        50,
        10,
        10,
    ]


def test_a_test_ratio_of_zero_keeps_the_validation_set():
    assert [len(rows) for rows in split_by_ratio([str(n) for n in range(10)], (0.8, 0.2, 0.0), 0)] == [
        8,
        2,
        0,
    ]


@pytest.mark.parametrize(
    "ratios", [(0, 0.5, 0.5), (0.5, 0, 0.5), (0.8, 0.2, 0.1), (1.2, -0.1, -0.1), (float("nan"),) * 3]
)
def test_ratios_that_cannot_split_are_refused(ratios):
    with pytest.raises(DataError, match="cannot split"):
        check_ratios(ratios)


def test_an_empty_set_is_an_error():
    with pytest.raises(DataError, match="the test set is empty: 2 crystals"):
        split_by_ratio(["a", "b"], RATIOS, 0)


def test_a_reduced_composition_is_the_same_for_every_cell():
    assert reduced_composition([17, 11]) == reduced_composition([11] * 4 + [17] * 4) == "11:1 17:1"
    assert reduced_composition([26, 26, 8, 8, 8]) != reduced_composition([26, 8])


def test_a_chemical_system_is_the_set_of_elements():
    assert chemical_system([17, 11, 11]) == chemical_system([11, 17]) == "11-17"
    assert chemical_system([11]) != chemical_system([11, 17])


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name, text in {"train": "a\nb\n", "valid": "c\n\n", "test": " d\n"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    return split_file_paths(tmp_path)


def test_files_say_which_crystal_is_in_which_set(files):
    assert split_by_files(["d", "c", "b", "a", "unused"], [], files) == ([2, 3], [1], [0])


def test_files_may_name_crystals_that_were_left_out(files):
    assert split_by_files(["d", "c", "b"], ["a"], files) == ([2], [1], [0])


def test_an_unknown_id_in_a_file_is_an_error(files):
    with pytest.raises(DataError, match=r"test.txt names 'd', which is not in the data"):
        split_by_files(["a", "b", "c"], [], files)


def test_an_id_in_two_files_is_an_error(files):
    files[2].write_text("a\n")
    with pytest.raises(DataError, match=r"'a' is in .*train.txt and again in .*test.txt"):
        split_by_files(["a", "b", "c"], [], files)


def test_a_file_without_usable_crystals_is_an_error(files):
    with pytest.raises(DataError, match="leaves its set empty"):
        split_by_files(["a", "b", "c"], ["d"], files)


def test_a_missing_split_file_is_an_error(files):
    files[1].unlink()
    with pytest.raises(DataError, match="cannot read the split file"):
        split_by_files(["a", "b", "c", "d"], [], files)


def test_three_files_may_stand_in_a_list_or_a_string(files):
    assert split_file_paths([str(file) for file in files]) == files
    assert split_file_paths(",".join(map(str, files))) == files


def test_two_split_files_are_refused(files):
    with pytest.raises(DataError, match="three files in that order"):
        split_file_paths(files[:2])
