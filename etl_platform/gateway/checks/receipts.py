"""The code of a check that people can quote. It has no content, and the file proves which check it belongs to. Pure."""

import hashlib
from base64 import b32encode
from datetime import datetime


def receipt_code(file_sha256: str, contract_sha256: str, at: datetime) -> str:
    """Such as ``ABCD-EFGH-2345-WXYZ``: 80 bits of a hash over file, contract and time (UTC, to the second)."""
    text = f"{file_sha256} {contract_sha256} {at.isoformat(timespec='seconds')}"
    code = b32encode(hashlib.sha256(text.encode()).digest()[:10]).decode()
    return "-".join(code[place : place + 4] for place in range(0, len(code), 4))
