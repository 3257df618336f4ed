"""What holds for every test: property tests repeat exactly, and have no deadline on shared, noisy machines."""

from hypothesis import settings

settings.register_profile("minidpt", deadline=None, derandomize=True)
settings.load_profile("minidpt")
