"""Journals of tests: made of records, and cut as if their driver was killed."""

from dh_project.results.journal import encode_commits, scan


def write_journal(path, records):
    """Replace a journal by records, each a commit of its own."""
    path.write_bytes(encode_commits(*([record] for record in records)))


def add_records(path, *records):
    """Add records to a journal, as if its driver was killed after them."""
    write_journal(path, [*scan(path)[0], *records])


def cut_before(path, is_reached, last=False):
    """Remove the first record (or the last one) for which a function is true, and all records after it."""
    records = scan(path)[0]
    found = [number for number, record in enumerate(records) if is_reached(record)]
    write_journal(path, records[: found[-1 if last else 0]])
