"""The code location loads, however contracts are damaged."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.definitions import build_defs
from etl_platform.engine.contract_folder import read_folder
from etl_platform.settings import Settings
from etl_platform_tests.unit.making import CONTRACTS

TEXTS = {path.name: path.read_text("utf-8") for path in sorted(CONTRACTS.glob("*.odcs.yaml"))}


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, str]:
    """The shipped contracts, of which some are damaged: lines lost, doubled, exchanged, or other characters in them."""
    texts = dict(TEXTS)
    for name in draw(st.sets(st.sampled_from(sorted(texts)), min_size=1, max_size=3)):
        lines = texts[name].splitlines()
        for _ in range(draw(st.integers(1, 4))):
            at, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
            match draw(st.sampled_from(["drop", "double", "exchange", "text", "cut", "foreign", "indent"])):
                case "drop":
                    lines[at] = ""
                case "double":
                    lines[at] += f"\n{lines[at]}"
                case "exchange":
                    lines[at], lines[other] = lines[other], lines[at]
                case "text":
                    place = draw(st.integers(0, len(lines[at])))
                    lines[at] = lines[at][:place] + draw(st.text(max_size=3)) + lines[at][place:]
                case "cut":
                    lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
                case "foreign":
                    lines[at] = draw(st.sampled_from("\n".join(TEXTS.values()).splitlines()))
                case _:
                    lines[at] = f"  {lines[at]}"
        texts[name] = "\n".join(lines)
    return texts


@settings(max_examples=60)
@given(mutated())
def test_the_location_loads_however_contracts_are_damaged(
    tmp_path_factory: pytest.TempPathFactory, texts: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("contracts")
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8", errors="surrogatepass")
    found = read_folder(folder)
    repository = build_defs(Settings(contracts_dir=folder)).get_repository_def()
    repository.load_all_definitions()
    keys = repository.asset_graph.get_all_asset_keys()
    assert found.good.keys() <= {key.path[1] for key in keys if key.path[0] == "silver"}
    for broken in found.broken:
        own = Path(broken.path).name
        is_damaged = texts[own] != TEXTS[own]
        assert is_damaged or any(name in str(broken.error) for name in texts if name != own), "nobody contradicts it"
