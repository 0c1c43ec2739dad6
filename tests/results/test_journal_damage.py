"""What readers make of damaged journals: torn commits are left out, all other damage is refused with a line."""

import json
import re
from itertools import pairwise
from zlib import crc32

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dh_project.common.errors import UserError
from dh_project.results import journal as journal_module
from dh_project.results.history import History, Replay
from dh_project.results.journal import PAGE, JournalReader, Place, encode, encode_commits, scan
from dh_project.results.paths import SearchPaths

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=6)
"""Numbers of records of the commits of a journal."""


def records_of(sizes, length=40):
    """Return commits of different records, some of them longer than a page."""
    numbers = iter(range(sum(sizes)))
    return [
        [{"kind": "any", "number": (n := next(numbers)), "text": "x" * (n * length)} for _ in range(size)]
        for size in sizes
    ]


class Written:
    """A journal in a temporary file.

    Attributes:
        commits: The content of each commit.
        records: The records of each commit.
    """

    def __init__(self, path, sizes):
        self.path, self.records = path, records_of(sizes)
        place, self.commits = Place(), []
        for records in self.records:
            data, place = place.commit([encode(record) for record in records])
            self.commits.append(data)
        self.content = b"".join(self.commits)
        self.lines = self.content.splitlines(keepends=True)

    def read(self, content):
        """Return the records of another content."""
        self.path.write_bytes(content)
        return scan(self.path)[0]

    def first(self, commits):
        """Return the records of so many commits."""
        return [record for commit in self.records[:commits] for record in commit]

    def assert_refused(self, content):
        """Check that a content is refused in one line that names a line of the file."""
        with pytest.raises(UserError, match=r", line \d+: ") as refused:
            self.read(content)
        assert "\n" not in str(refused.value)
        return str(refused.value)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged") / "journal.jsonl"


@pytest.fixture(params=[2**20, 700], ids=["in one block", "in many blocks"])
def written(request, path, monkeypatch):
    """Return a function that writes a journal, which is read in one block or in many."""
    monkeypatch.setattr(journal_module, "BLOCK", request.param)
    return lambda sizes: Written(path, sizes)


any_damage = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)


def draw_two(data, length):
    """Return two different numbers below a length, the smaller first."""
    assume(length > 1)
    return sorted(data.draw(st.lists(st.integers(0, length - 1), min_size=2, max_size=2, unique=True)))


@any_damage
@given(SIZES)
def test_a_whole_journal_is_read(written, sizes):
    journal = written(sizes)
    assert journal.read(journal.content) == journal.first(len(sizes))


@any_damage
@given(SIZES, st.data())
def test_a_journal_cut_at_any_byte_has_the_whole_commits_before_it(written, sizes, data):
    journal = written(sizes)
    end = data.draw(st.integers(0, len(journal.content)))
    whole = [number for number in range(len(sizes) + 1) if len(b"".join(journal.commits[:number])) <= end]
    assert journal.read(journal.content[:end]) == journal.first(whole[-1])


def with_zeros(content, begin, end):
    return content[:begin] + bytes(end - begin) + content[end:]


def pages(begin, end):
    """Return the parts of pages between two places of a file."""
    edges = [begin, *range(-(-(begin + 1) // PAGE) * PAGE, end, PAGE), end]
    return list(pairwise(edges))


@any_damage
@given(SIZES, st.data())
def test_pages_of_zeros_in_the_last_commit_are_a_torn_write(written, sizes, data):
    journal = written(sizes)
    begin, end = len(b"".join(journal.commits[:-1])), len(journal.content)
    content = journal.content
    for page in data.draw(st.lists(st.sampled_from(pages(begin, end)), min_size=1)):
        content = with_zeros(content, *page)
    cut = data.draw(st.sampled_from([end, *(edge for edge, _ in pages(begin, end)[1:])]))
    assert journal.read(content[:cut]) == journal.first(len(sizes) - 1)


@any_damage
@given(SIZES, st.data())
def test_zeros_to_the_end_are_a_torn_write(written, sizes, data):
    journal = written(sizes)
    begin = len(b"".join(journal.commits[:-1]))
    place = data.draw(st.integers(begin, len(journal.content) - 1))
    longer = data.draw(st.integers(0, 5000))
    content = with_zeros(journal.content, place, len(journal.content)) + bytes(longer)
    assert journal.read(content) == journal.first(len(sizes) - 1)


@any_damage
@given(SIZES, st.data())
def test_zeros_in_earlier_commits_are_refused(written, sizes, data):
    journal = written(sizes)
    last = len(b"".join(journal.commits[:-1]))
    assume(last)
    begin, end = data.draw(st.sampled_from(pages(0, last)))
    journal.assert_refused(with_zeros(journal.content, begin, end))


@any_damage
@given(SIZES, st.data())
def test_a_changed_byte_of_a_commit_is_refused(written, sizes, data):
    journal = written(sizes)
    place = data.draw(st.integers(0, len(journal.content) - 2))
    byte = data.draw(st.integers(1, 255).filter(lambda value: value != journal.content[place]))
    journal.assert_refused(journal.content[:place] + bytes([byte]) + journal.content[place + 1 :])


def without(parts, number):
    return parts[:number] + parts[number + 1 :]


def doubled(parts, number):
    return [*parts[: number + 1], *parts[number:]]


def swapped(parts, one, other):
    parts = list(parts)
    parts[one], parts[other] = parts[other], parts[one]
    return parts


@pytest.mark.parametrize("unit", ["lines", "commits"])
@any_damage
@given(SIZES, st.data())
def test_a_dropped_record_or_commit_is_refused(written, unit, sizes, data):
    journal = written(sizes)
    parts = getattr(journal, unit)
    number = data.draw(st.integers(0, len(parts) - 1))
    content = b"".join(without(parts, number))
    if number == len(parts) - 1:  # as if the last commit had never been written, or not to its end
        assert journal.read(content) == journal.first(len(sizes) - 1)
    else:
        journal.assert_refused(content)


@pytest.mark.parametrize("unit", ["lines", "commits"])
@any_damage
@given(SIZES, st.data())
def test_a_doubled_record_or_commit_is_refused(written, unit, sizes, data):
    journal = written(sizes)
    parts = getattr(journal, unit)
    number = data.draw(st.integers(0, len(parts) - 1))
    content = b"".join(doubled(parts, number))
    journal.assert_refused(content)


@pytest.mark.parametrize("unit", ["lines", "commits"])
@any_damage
@given(SIZES, st.data())
def test_swapped_records_or_commits_are_refused(written, unit, sizes, data):
    journal = written(sizes)
    parts = getattr(journal, unit)
    journal.assert_refused(b"".join(swapped(parts, *draw_two(data, len(parts)))))


@any_damage
@given(SIZES, st.data())
def test_a_missing_beginning_is_refused(written, sizes, data):
    journal = written(sizes)
    place = data.draw(st.integers(1, len(journal.content) - 1))
    journal.assert_refused(journal.content[place:])


@any_damage
@given(SIZES)
def test_a_doubled_file_is_refused_and_its_sound_part_is_named(written, sizes):
    journal = written(sizes)
    said = journal.assert_refused(journal.content * 2)
    assert f"line {len(journal.lines) + 1}: record 1 stands here again" in said
    assert f"head -n {len(journal.lines)}" in said


@pytest.mark.parametrize(
    "content", [b"hello", b"a,b\n1,2\n", b'{"some":"json"}\n', b"\x89PNG\r\n", b'{"kind":"x"}\nhello']
)
def test_a_file_that_is_no_journal_is_refused_and_not_taken_for_a_torn_one(tmp_path, content):
    (tmp_path / "journal.jsonl").write_bytes(content)
    with pytest.raises(UserError, match="no record"):
        scan(tmp_path / "journal.jsonl")


def test_zeros_in_the_last_commit_that_are_no_pages_are_refused(written):
    journal = written([2, 3])
    place = len(journal.commits[0]) + 10
    journal.assert_refused(with_zeros(journal.content, place, place + 20))


def test_zeros_that_hide_the_end_of_an_earlier_commit_are_refused(written):
    journal = written([20, 1])
    begin = len(journal.commits[0]) // PAGE * PAGE
    journal.assert_refused(with_zeros(journal.content, begin, len(journal.commits[0])))


# ---- a journal that grows while it is read


@any_damage
@given(SIZES, st.lists(st.integers(1, 3000)))
def test_however_a_journal_grows_each_record_is_read_once(written, sizes, steps):
    journal = written(sizes)
    journal.path.write_bytes(b"")
    reader, read, end = JournalReader(journal.path), [], 0
    for step in [*steps, len(journal.content)]:
        with journal.path.open("ab") as file:
            file.write(journal.content[end : end + step])
        end += step
        read += [record["number"] for batch in reader.new() for record in batch]
    assert read == list(range(sum(sizes)))


def test_reports_can_be_left_out(tmp_path):
    path, report = tmp_path / "journal.jsonl", {"kind": "report", "trial": 0}
    records = [{"kind": "start"}, report, report, {"kind": "end"}, report]
    path.write_bytes(encode_commits(records[:2], records[2:]))
    batches = JournalReader(path, with_reports=False).new()
    assert [record["kind"] for batch in batches for record in batch] == ["start", "end"]


def test_the_records_of_some_trials_alone_can_be_read(tmp_path):
    path = tmp_path / "journal.jsonl"
    trials = [2, 10, 2, 1, 1, 10, 12]
    records = [{"kind": "report", "at": 0.0, "trial": trial} for trial in trials]
    records[2:2] = [{"kind": "end", "at": 1e-3, "trial": trial, "reason": '"trial":1'} for trial in trials]
    path.write_bytes(encode_commits([{"kind": "alive", "at": 1.0}, *records[:5]], records[5:]))
    batches = JournalReader(path, trials={1, 2}).new()
    found = [(record["kind"], record.get("trial")) for batch in batches for record in batch]
    ends, reports = [("end", 2)] * 2 + [("end", 1)] * 2, [("report", 2)] + [("report", 1)] * 2
    assert found == [("alive", None), ("report", 2), *ends, *reports]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**64 - 1), st.integers())
def test_numbers_come_back_to_the_last_digit(path, objective, step, fact):
    records = [
        {"kind": "report", "step": step, "objective": objective},
        {"kind": "end", "objective": objective, "facts": {"any": fact}},
    ]
    path.write_bytes(encode_commits(records))
    assert repr(scan(path)[0]) == repr(records)


# ---- journals of schema 1 and 2, and what is appended to them


@pytest.fixture(params=[1, 2], ids=["schema 1", "schema 2"])
def old(request, samples):
    """The content of an old journal."""
    return (samples / "journals" / f"schema-{request.param}.jsonl").read_bytes()


@pytest.fixture(params=[False, True], ids=["as it was", "continued"])
def continued(request, old):
    """An old journal, also with two commits of this version."""
    if not request.param:
        return old
    (first,) = re.findall(rb'\{"kind":"session".*\n', old)[:1]
    session = {**json.loads(first), "schema": 3}
    session.pop("crc32", None)
    place = Place().after(len(old), old.count(b"\n"), crc32(old))
    one, place = place.commit([encode(session)])
    other, _ = place.commit([encode({"kind": "alive", "at": 99.0}), encode({"kind": "alive", "at": 99.5})])
    return old + one + other


def history_of(path, content):
    path.write_bytes(content)
    return Replay(SearchPaths(path.parent)).read()


def test_an_old_journal_is_read_and_so_is_what_was_appended(path, old, continued):
    history = history_of(path, continued)
    assert len(history.ended) == 2
    assert history.elapsed == (99.5 if continued != old else history_of(path, old).elapsed)


def test_an_old_journal_cut_at_any_byte_has_the_lines_before_it(path, old):
    lines = old.splitlines(keepends=True)
    for end in range(0, len(old), 7):
        path.write_bytes(old[:end])
        records, sound = scan(path)
        assert old[:end].startswith(old[:sound])
        assert len(records) == old[:end].count(b"\n")
        assert sound == len(b"".join(lines[: len(records)]))


def kinds(lines, *wanted):
    return [n for n, line in enumerate(lines) if json.loads(line)["kind"] in wanted]


@pytest.mark.parametrize(
    ("wrong", "wanted"), [(without, ("search", "start")), (doubled, ("search", "start", "end"))]
)
def test_an_old_journal_whose_trials_begin_or_end_wrongly_is_refused(path, old, wrong, wanted):
    lines = old.splitlines(keepends=True)
    for number in kinds(lines, *wanted):
        with pytest.raises(UserError) as refused:
            history_of(path, b"".join(wrong(lines, number)))
        assert "\n" not in str(refused.value)


def test_what_was_appended_to_an_old_journal_covers_the_old_lines(path, old, continued):
    if continued == old:
        return
    lines = continued.splitlines(keepends=True)
    for number in range(old.count(b"\n")):
        for wrong in (without, doubled):
            with pytest.raises(UserError):
                history_of(path, b"".join(wrong(lines, number)))


def test_a_damaged_line_of_an_old_journal_is_refused(path, old):
    for place in range(0, len(old) - 1, 31):
        path.write_bytes(old[:place] + b"\x01" + old[place + 1 :])
        with pytest.raises(UserError, match=f"line {old.count(bytes([10]), 0, place) + 1}:"):
            scan(path)


def test_a_folder_without_a_search_has_none(tmp_path):
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(UserError, match="no search has been run here"):
        History.read(tmp_path)
