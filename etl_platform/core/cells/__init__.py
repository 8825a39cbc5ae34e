"""Texts of cells → values of a contract's types: numbers, exact decimals, and dates however they are written."""
