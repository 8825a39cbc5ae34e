"""Where the programs lie that the deployment checks call. One that is missing is an error, never a skip."""

import os
import shutil
from pathlib import Path

from etl_platform.local.stack import REPOSITORY

OWN = REPOSITORY / ".deploy" / "bin"
_MIRROR_VARIABLE = "TF_PLUGIN_MIRROR"
_MIRROR_PLACES = ("/opt/*", "/usr/share/terraform/*", "/usr/local/share/terraform/*", "~/.terraform.d/*")


class MissingToolError(Exception):
    """A program or folder that the checks need is not on this machine."""


def tool(name: str) -> str:
    """The path of a program: of the locked tools, else of the machine."""
    found = shutil.which(name, path=OWN) or shutil.which(name)
    if found is None:
        raise MissingToolError(f"{name} is not installed; make deploy-check installs all but terraform, which is yours")
    return found


def terraform_mirror() -> Path:
    """The folder of a filesystem mirror that has the AWS provider.

    TF_PLUGIN_MIRROR names it; without it the usual places are looked at.
    """
    named = os.environ.get(_MIRROR_VARIABLE)
    for pattern in [named] if named else _MIRROR_PLACES:
        place = Path(pattern).expanduser()
        for mirror in sorted(place.parent.glob(place.name)):
            if next(mirror.glob("*/hashicorp/aws/*/*/terraform-provider-aws*"), None):
                return mirror
    raise MissingToolError(
        f"no mirror with terraform-provider-aws in {named or ', '.join(_MIRROR_PLACES)}; make one with "
        f"terraform providers mirror DIR, and set {_MIRROR_VARIABLE}=DIR"
    )
