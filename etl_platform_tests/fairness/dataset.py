"""The dataset of all scenarios, its files, and a hook by which a file kills the run that reads it. No tests."""

import io
import os
import signal
import zipfile
from pathlib import Path
from random import Random

import polars as pl

DATASET = "badges"
POISON = "POISON"
CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: badges
name: Badges
version: 1.0.0
status: active
description: {purpose: Shows who waits for whom.}
team: {name: tests}
schema:
  - name: badges
    physicalName: Badges.csv
    description: Badges.
    dataGranularityDescription: One row per badge.
    customProperties:
      - {property: filePatterns, value: ['badges*']}
      - {property: transform, value: 'etl_platform_tests.fairness.dataset:hook'}
    properties:
      - {name: badge, description: Its number., logicalType: string, required: true, primaryKey: true}
      - {name: note, description: Any text., logicalType: string}
      - {name: length, description: Made., logicalType: integer,
         customProperties: [{property: computed, value: true}]}
"""
_ROWS_OF_A_ZIP = 400_000


def hook(frame: pl.DataFrame) -> pl.DataFrame:
    if (frame["badge"] == POISON).any():
        (Path(os.environ["MARKS"]) / f"killed-{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return frame.with_columns(length=pl.col("badge").str.len_chars().cast(pl.Int64))


def small_file(badge: str) -> bytes:
    return f"badge,note\n{badge},\n".encode()


def zip_of_15_mib() -> bytes:
    """About 15 MiB, and 50 MiB unpacked."""
    random = Random(15)
    rows = (f"B{number:09},{random.getrandbits(256):064x}{'.' * 50}\n" for number in range(_ROWS_OF_A_ZIP))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("Badges.csv", "badge,note\n" + "".join(rows))
    return packed.getvalue()
