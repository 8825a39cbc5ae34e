"""Forms as browsers post them. No tests."""

from collections.abc import Sequence

BOUNDARY = "----WebKitFormBoundaryAbCdEf0123456789"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def form(
    name: str | None, content: bytes, *, boundary: str = BOUNDARY, fields: Sequence[tuple[str, str]] = ()
) -> bytes:
    """Fields in order, then the file; no file without a name."""
    parts = [f'form-data; name="{field}"\r\n\r\n{value}'.encode() for field, value in fields]
    if name is not None:
        quoted = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
        head = f'form-data; name="file"; filename="{quoted}"\r\nContent-Type: text/csv\r\n\r\n'
        parts.append(head.encode() + content)
    start = f"--{boundary}\r\nContent-Disposition: ".encode()
    return b"".join(start + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
