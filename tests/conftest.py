"""What holds for every test: property tests repeat exactly, and have no deadline on shared, noisy machines; a model
whose backend no test names runs on the reference, so that what is compared with transformers or with itself is that."""

import pytest
from hub_stand_in import served
from hypothesis import settings

from minidpt.ops import backends

settings.register_profile("minidpt", deadline=None, derandomize=True)
settings.load_profile("minidpt")


FASTEST = backends.fastest


@pytest.fixture(autouse=True)
def reference(monkeypatch):
    """ "auto" is NumPy in this process; FASTEST is what users get."""
    monkeypatch.setattr(backends, "fastest", lambda: backends.NUMPY)


@pytest.fixture
def stand_in(tmp_path):
    """A Hub on this machine that serves one tiny model."""
    pytest.importorskip("huggingface_hub", reason="Hub ids need the hub extra")
    with served(tmp_path / "served") as server:
        yield server
