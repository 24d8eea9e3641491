"""Settings of all tests: no deadlines, since the machine may be slow, and the same examples every time."""

from hypothesis import settings

settings.register_profile("reproducible", deadline=None, derandomize=True)
settings.load_profile("reproducible")
