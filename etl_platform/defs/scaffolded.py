"""Loads the definitions that ``dg scaffold defs`` adds to this folder. definitions.py lists the platform's own."""

import warnings
from pathlib import Path

import dagster as dg

from etl_platform import defs


def load_scaffolded() -> dg.Definitions:
    """Definitions at the top level of any module below ``defs/``, and components in its ``defs.yaml`` files.

    The platform's modules have builder functions instead, so they add nothing here.
    """
    folder = Path(defs.__file__).parent
    # load_from_defs_folder would also import every installed component library: 0.8 CPU seconds in each run. It also
    # needs a pyproject.toml, which an installed wheel does not have.
    tree = dg.ComponentTree.from_module(defs_module=defs, project_root=folder.parents[1])
    with warnings.catch_warnings():
        # Dagster itself loads a folder through functions that it marks as preview or beta.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        return tree.build_defs(folder)
