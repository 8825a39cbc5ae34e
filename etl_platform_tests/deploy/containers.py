"""The image, built and run without a registry and without Docker: debootstrap, podman, buildah, in a folder of its own.

Limits are spelt out because a machine that is itself confined may not raise what the builders ask for by default.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.tools import tool

BASE, IMAGE = "localhost/deploy-check-base", "localhost/etl-platform"
HOME = "/opt/dagster/dagster_home"
_SUITE, _MIRROR = "bookworm", "http://deb.debian.org/debian"
_PACKAGES = "ca-certificates,python3,python3-venv"
_UID = 1000
# The base image trusts what this machine trusts: behind a company's proxy PyPI has the company's certificate.
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_BUILD_WITHIN_S, _RUN_WITHIN_S = 900, 180


@dataclass(frozen=True)
class Builder:
    """Images and containers below ``folder``, and nowhere else on this machine."""

    folder: Path

    def build(self) -> None:
        """Make a Debian with Python, and from it the image of the checkout."""
        self._configure()
        root = self.folder / "base"
        variant = ["--variant=minbase", f"--include={_PACKAGES}"]
        self._call([tool("debootstrap"), *variant, _SUITE, str(root), _MIRROR])
        if _CERTIFICATES.exists():
            shutil.copy(_CERTIFICATES, root / _CERTIFICATES.relative_to("/"))
        archive = self.folder / "base.tar"
        self._call(["tar", "--directory", str(root), "--create", "--file", str(archive), "."])
        shutil.rmtree(root)
        self._call([tool("podman"), "import", "--quiet", str(archive), BASE])
        archive.unlink()
        isolated = ["--isolation", "chroot", "--pull-never", "--layers=false"]
        arguments = ["--build-arg", f"BASE_IMAGE={BASE}", "--build-arg", "REVISION=deploy-check"]
        self._call([tool("buildah"), "bud", *isolated, *arguments, "--tag", IMAGE, str(REPOSITORY)])

    def run(
        self, *arguments: str, entry_point: str | None = None, mounts: Mapping[Path, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the image as the chart runs it: read-only root, no capability, two writable folders.

        ``mounts`` are further folders of this machine, read-only, by their place in the container.
        """
        dagster_home = self.folder / "dagster_home"
        dagster_home.mkdir(exist_ok=True)
        os.chown(dagster_home, _UID, _UID)
        limits = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        writable = ["--tmpfs=/tmp:rw,mode=1777", f"--volume={dagster_home}:{HOME}"]
        readable = [f"--volume={place}:{inside}:ro" for place, inside in (mounts or {}).items()]
        entry = [] if entry_point is None else [f"--entrypoint={entry_point}"]
        program = [tool("podman"), "run", "--rm", *limits, *writable, *readable, *entry, IMAGE, *arguments]
        return subprocess.run(
            program, env=self._environment, capture_output=True, text=True, timeout=_RUN_WITHIN_S, check=False
        )

    def inspect(self, template: str) -> str:
        """What podman says of the image, by a Go template."""
        return self._call([tool("podman"), "image", "inspect", "--format", template, IMAGE]).strip()

    def remove(self) -> None:
        """Unmount and delete all images."""
        self._call([tool("podman"), "rmi", "--all", "--force"])

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
        }

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.folder}/images"\nrunroot = "{self.folder}/run"\n'
        )
        (self.folder / "containers.conf").write_text(
            '[containers]\nnetns = "host"\ndefault_ulimits = ["nofile=8192:8192", "nproc=4096:4096"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )

    def _call(self, program: Sequence[str]) -> str:
        done = subprocess.run(
            program,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_BUILD_WITHIN_S,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(program)}\n{done.stdout[-4_000:]}"
        return done.stdout
