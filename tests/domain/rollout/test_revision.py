"""Naming a revision is cheap: its value types need no statistics library."""

import subprocess
import sys


def test_naming_a_revision_loads_no_scipy() -> None:
    """A fresh process that imports the revision's types has loaded neither scipy nor numpy."""
    code = "import sys, slipway.domain.rollout.revision; print(sorted({'scipy', 'numpy'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
