"""All rules of a contract that do not compile are reported at once, each with its name and line."""

import pytest

from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform_tests.unit.making import contract_of, row_rule, text, typed


def test_rules_that_do_not_compile_are_reported_together() -> None:
    contract = contract_of(
        [
            typed("day", "date", logicalTypeOptions={"format": "yyyyMQ"}),
            typed("size", "integer", logicalTypeOptions={"minimum": 5, "maximum": 1}),
            text("code", transformLogic="NOPE(day)"),
        ],
        quality=[row_rule("first", "nobody > 1"), row_rule("second", "size = code")],
    )
    with pytest.raises(ContractError) as caught:
        compile_contract(contract, {})
    assert [error.message.split(":")[0] for error in caught.value.errors] == ["day", "size", "code", "first", "second"]
    assert [error.line for error in caught.value.errors] == sorted({error.line or 0 for error in caught.value.errors})


def test_rules_that_fail_on_every_value_are_reported_together() -> None:
    patterns = [text(name, logicalTypeOptions={"pattern": "("}) for name in ("one", "two")]
    with pytest.raises(ContractError) as caught:
        compile_contract(contract_of(patterns), {})
    assert [error.message.split(":")[0] for error in caught.value.errors] == ["one.pattern", "two.pattern"]
