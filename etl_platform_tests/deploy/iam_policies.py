"""What IAM policies allow a request: explicit denials, wildcards, and the conditions that the platform's policies use.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

Statements = Sequence[Mapping[str, Any]]
_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition"}


@dataclass(frozen=True)
class Request:
    """One action on one resource, whose ARN stands here without ``arn:<partition>:``.

    Attributes:
        prefix: of a list; None for a request without one.
        creates: the request has the header If-None-Match.
        through: the service that calls KMS for the caller, such as ``s3.us-gov-west-1.amazonaws.com``.
    """

    action: str
    resource: str
    prefix: str | None = None
    creates: bool = False
    through: str | None = None

    @property
    def context(self) -> dict[str, str | None]:
        return {
            "s3:prefix": self.prefix,
            "s3:if-none-match": "*" if self.creates else None,
            "kms:ViaService": self.through,
        }


def allows(statements: Statements, request: Request) -> bool:
    """Whether a statement allows the request, and none denies it."""
    effects = {statement["Effect"] for statement in statements if _applies(statement, request)}
    return effects == {"Allow"}


def many(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    assert set(statement) <= _ELEMENTS, statement
    return (
        any(_pattern(action.lower()).fullmatch(request.action.lower()) for action in many(statement["Action"]))
        and any(_pattern(_without_partition(arn)).fullmatch(request.resource) for arn in many(statement["Resource"]))
        and all(_conditions(statement.get("Condition", {}), request.context))
    )


def _conditions(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str | None]) -> Iterator[bool]:
    for operator, wanted in conditions.items():
        for key, values in wanted.items():
            yield _holds(operator, context[key], many(values))


def _holds(operator: str, actual: str | None, wanted: Sequence[str]) -> bool:
    match operator.removesuffix("IfExists"):
        case "Null":
            return str(actual is None).lower() in wanted
        case _ if actual is None:
            return operator.endswith("IfExists")
        case "StringEquals":
            return actual in wanted
        case "StringLike":
            return any(_pattern(value).fullmatch(actual) for value in wanted)
        case other:
            raise AssertionError(f"the condition operator {other} is not evaluated here")


def _without_partition(arn: str) -> str:
    return arn if arn == "*" else arn.split(":", 2)[2]


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
