"""Bytes to rows: encodings, dialects, headers, text files, workbooks, archives."""
