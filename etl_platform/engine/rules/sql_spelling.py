"""How a contract's SQL is spelled for Polars: the same tokens, except where Polars lacks a name or misreads one.

sqlglot takes 0.1 CPU s to import, so this module is imported only where a contract is compiled.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import ClassVar

from sqlglot import Token, TokenType
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.parsers.postgres import PostgresParser

from etl_platform.engine.rules.sql_meaning import OWN_FUNCTIONS, own_call, own_constant

_OTHER_NAMES = {"LEN": "LENGTH"}
_LOOSER = frozenset(
    [
        *[TokenType.AND, TokenType.OR, TokenType.IS, TokenType.NOT, TokenType.IN, TokenType.LIKE, TokenType.ILIKE],
        *[TokenType.BETWEEN, TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE],
        *[TokenType.NULLSAFE_EQ, TokenType.RLIKE, TokenType.IRLIKE],
    ]
)
_OPENING, _CLOSING = {TokenType.L_PAREN, TokenType.CASE}, {TokenType.R_PAREN, TokenType.END}
_BETWEEN_PARTS = {TokenType.COMMA, TokenType.THEN, TokenType.ELSE, TokenType.WHEN}


class RefusedSqlError(ValueError):
    """An expression that is not allowed; the message says what to write instead."""


class _Parser(PostgresParser):
    # Without function signatures, sqlglot keeps the name of every call as written.
    FUNCTIONS: ClassVar = {}


class _Tokenizer(Postgres.Tokenizer):
    KEYWORDS: ClassVar = {**Postgres.Tokenizer.KEYWORDS, "//": TokenType.DIV}


class PolarsSql(Postgres):
    """Polars' SQL is PostgreSQL's, with ``//`` for whole-number division."""

    Parser = _Parser
    Tokenizer = _Tokenizer


def _tokens(sql: str) -> list[Token]:
    try:
        return PolarsSql().tokenize(sql)
    except SqlglotError:
        # The parser reports why.
        return []


@lru_cache(maxsize=1024)
def for_polars(sql: str) -> str:
    """The text that Polars parses: our functions as ``own_call`` writes them, IS UNKNOWN as IS NULL."""
    tokens = _tokens(sql)
    for place in reversed(range(len(tokens))):
        token = tokens[place]
        after = tokens[place + 1] if place + 1 < len(tokens) else None
        if (spelled := _spelled(tokens[:place], token, after)) is not None:
            end = after.end if after is not None and spelled.startswith("CONCAT_WS(") else token.end
            sql = sql[: token.start] + spelled + sql[end + 1 :]
    return sql


def _spelled(before: list[Token], token: Token, after: Token | None) -> str | None:
    """The other spelling of a token; None if it stays."""
    name = token.text.upper()
    if token.token_type is TokenType.VAR and after is not None and after.token_type is TokenType.L_PAREN:
        return own_call(name) if name in OWN_FUNCTIONS else _OTHER_NAMES.get(name)
    types = [one.token_type for one in before[-2:]]
    if types[-1:] == [TokenType.IS] or types == [TokenType.IS, TokenType.NOT]:
        return "NULL" if name == "UNKNOWN" else None
    if token.token_type in {TokenType.TRUE, TokenType.FALSE}:
        return own_constant(name)
    return None


def has_semicolon(sql: str) -> bool:
    return any(token.token_type is TokenType.SEMICOLON for token in _tokens(sql))


def refuse_open_distinct(sql: str) -> None:
    """Polars reads everything behind IS DISTINCT FROM as what is compared, so it must end in a parenthesis."""
    tokens = _tokens(sql)
    for place, token in enumerate(tokens):
        if token.token_type is TokenType.DISTINCT and any(t.token_type in _LOOSER for t in _operand(tokens[place:])):
            raise RefusedSqlError("put a comparison with IS DISTINCT FROM in parentheses, as in (a IS DISTINCT FROM b)")


def _operand(tokens: list[Token]) -> Iterator[Token]:
    """The tokens up to the end of the part that contains the first one, without those in parentheses or CASE."""
    depth = 0
    for token in tokens:
        if token.token_type in _OPENING:
            depth += 1
        elif token.token_type in _CLOSING:
            depth -= 1
        if depth < 0 or (not depth and token.token_type in _BETWEEN_PARTS):
            return
        if not depth:
            yield token
