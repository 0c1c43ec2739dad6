"""The commands of the pages on Balsam, typed as their readers type them."""

from uuid import uuid4

import pytest


@pytest.mark.slow
@pytest.mark.balsam
@pytest.mark.timeout(600)
def test_the_pages_on_balsam(read, balsam_folder):
    told = {"POLYDB": balsam_folder, "MARK": uuid4().hex[:6]}
    read("balsam.rst", **told)
    read("watching_jobs.rst", **told)
