"""A contract whose hook does to its run what no contract should: it kills its process, or keeps it waiting.

``MARKS`` in the environment is the folder where a waiting hook leaves its process id and looks for ``go``.
"""

import os
import signal
import time
from pathlib import Path

import polars as pl

CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: badges
name: Badges
version: 1.0.0
status: active
description: {purpose: Tests runs that die.}
team: {name: tests}
schema:
  - name: badges
    physicalName: Badges.csv
    description: Badges.
    dataGranularityDescription: One row per badge.
    customProperties:
      - {property: filePatterns, value: ['badges*']}
      - {property: transform, value: 'etl_platform_tests.integration.runs_that_die:hook'}
    properties:
      - {name: badge, description: Its number., logicalType: string, required: true, primaryKey: true}
      - {name: length, description: Made., logicalType: integer,
         customProperties: [{property: computed, value: true}]}
"""


def hook(frame: pl.DataFrame) -> pl.DataFrame:
    badges = frame["badge"].to_list()
    if "POISON" in badges:
        os.kill(os.getpid(), signal.SIGKILL)
    if "WAIT" in badges:
        _wait(Path(os.environ["MARKS"]))
    return frame.with_columns(length=pl.col("badge").str.len_chars().cast(pl.Int64))


def _wait(marks: Path, within_s: float = 120.0) -> None:
    (marks / f"waiting-{os.getpid()}-{time.monotonic_ns()}").touch()
    deadline = time.monotonic() + within_s
    while not (marks / "go").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody let the hook go on")
        time.sleep(0.05)
