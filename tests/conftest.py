"""What holds for every test: property tests repeat exactly, and have no deadline on shared, noisy machines."""

import pytest
from hub_stand_in import served
from hypothesis import settings

settings.register_profile("minidpt", deadline=None, derandomize=True)
settings.load_profile("minidpt")


@pytest.fixture
def stand_in(tmp_path):
    """A Hub on this machine that serves one tiny model."""
    pytest.importorskip("huggingface_hub", reason="Hub ids need the hub extra")
    with served(tmp_path / "served") as server:
        yield server
