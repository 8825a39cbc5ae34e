"""What importing the package settles before any library is there."""

import os
import subprocess
import sys

import pytest

from etl_platform_tests.unit.making import PROJECT


@pytest.mark.parametrize(("given", "last"), [(None, "narenas:1"), ("narenas:3", "narenas:3")])
def test_the_allocator_is_told_before_polars_is_there_and_the_operator_has_the_last_word(
    given: str | None, last: str
) -> None:
    script = (
        "import os, sys\nimport etl_platform\nassert 'polars' not in sys.modules\nimport polars\n"
        "arenas = [item for item in os.environ['_RJEM_MALLOC_CONF'].split(',') if 'narenas' in item]\n"
        "print(arenas, os.environ['OPENBLAS_NUM_THREADS'])"
    )
    ours = {"_RJEM_MALLOC_CONF", "OPENBLAS_NUM_THREADS"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    if given is not None:
        environment["_RJEM_MALLOC_CONF"] = given
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == [f"['{last}']", "1"]
