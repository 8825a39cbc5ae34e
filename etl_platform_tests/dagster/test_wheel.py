"""What an operator installs: the built wheel, away from this checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import etl_platform.definitions as location
from etl_platform.settings import load_settings

print(location.__file__)
print(load_settings().contracts_dir)
print(load_settings().api_sources_dir)
keys = location.defs().resolve_asset_graph().get_all_asset_keys()
print(sorted(key.path[1] for key in keys if key.path[0] == "bronze"))
"""


def test_the_wheel_loads_its_definitions_and_brings_its_contracts(tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    build = [str(uv), "build", "--wheel", "--no-build-isolation", "--offline", "--quiet", "--out-dir", str(tmp_path)]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CONTRACTS_", "API_", "PYTHONPATH"))
    }
    subprocess.run([*build, "--python", sys.executable, str(ROOT)], check=True, capture_output=True, env=environment)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "etl_platform/py.typed" in archive.namelist()
        archive.extractall(tmp_path / "installed")

    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(tmp_path / "installed")},
    ).stdout.splitlines()

    assert found[0].startswith(str(tmp_path))
    assert found[1] == str(tmp_path / "installed" / "etl_platform" / "shipped" / "contracts")
    assert found[2] == str(tmp_path / "installed" / "etl_platform" / "shipped" / "api_sources")
    shipped = sorted(path.name.split(".")[0] for path in (ROOT / "contracts").glob("*.odcs.yaml"))
    assert found[3] == str(shipped)
