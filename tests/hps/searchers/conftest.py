import pytest

pytest.register_assert_rewrite("dh_project.testing.searcher")
