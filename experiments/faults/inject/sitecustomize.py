"""Python imports this by itself when it starts with this folder on its path; faults come with the environment."""

import os

if "NAS_SEARCH_FAULTS" in os.environ:
    import injection

    injection.install(os.environ["NAS_SEARCH_FAULTS"])
