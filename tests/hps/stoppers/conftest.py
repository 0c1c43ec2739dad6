"""Let a failing assertion of the contract show its values."""

import pytest

pytest.register_assert_rewrite("dh_project.testing.stopper")
