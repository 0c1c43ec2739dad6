"""What a trial records has a limit, which costs neither the trial nor its row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dh_project.worker import metadata
from dh_project.worker.metadata import MOST, MOST_MESSAGES, MOST_NAMES, Metadata
from dh_project.worker.pace import FREE, SECONDS, Pace


def test_a_value_above_the_limit_is_replaced_by_a_message_and_the_others_stay():
    kept = Metadata().plain({"mae": 0.5, "curve": "x" * (MOST + 1), "n": 3})
    assert (kept["mae"], kept["n"]) == (0.5, 3)
    assert kept["curve"].startswith("left out: a trial records at most 1000 values and 2 MiB")


def test_a_megabyte_is_recorded_as_it_is():
    assert Metadata().plain({"curve": "x" * 2**20}) == {"curve": "x" * 2**20}


def test_a_value_that_replaces_an_earlier_one_counts_once():
    row = Metadata()
    for number in range(5):
        text = str(number) * 1_900_000
        assert row.plain({"curve": text}) == {"curve": text}


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 1_200_000)), max_size=8))
def test_the_values_that_stay_are_within_the_limit_together(recorded):
    row, kept = Metadata(), {}
    for name, length in recorded:
        kept |= row.plain({name: "x" * length})
    values = {name: value for name, value in kept.items() if not str(value).startswith("left out")}
    assert sum(len(name) + len(value) for name, value in values.items()) <= MOST


def test_names_without_end_do_not_become_columns_without_end():
    row, kept = Metadata(), {}
    for number in range(5000):
        kept |= row.plain({f"step {number}": number})
    assert len(kept) == MOST_NAMES + MOST_MESSAGES


def test_text_of_more_than_the_limit_is_not_even_converted(monkeypatch):
    monkeypatch.setattr(metadata, "plain_value", None)
    assert "left out" in Metadata().plain({"huge": "x" * (MOST + 1)})["huge"]


def test_reports_pass_at_once_until_there_are_many_and_none_is_dropped(capsys):
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    of = Pace(sleep, lambda: now[0])
    for _ in range(FREE + 1):
        of.keep()
    assert slept == []
    for _ in range(50):
        of.keep()
    assert slept == pytest.approx([SECONDS] * 50)
    assert capsys.readouterr().out.count("report less often") == 1
