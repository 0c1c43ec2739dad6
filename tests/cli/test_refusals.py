"""What the model refuses is a user's mistake, in one line."""

import pytest
import torch

from dh_project.cli.model import refusals
from dh_project.common.errors import UserError


def test_a_full_gpu_names_the_option_to_change():
    with pytest.raises(UserError, match="memory is full: take a smaller --batch-size"), refusals():
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")


def test_a_bug_stays_one():
    with pytest.raises(RuntimeError, match="shapes"), refusals():
        raise RuntimeError("shapes")
