"""Bytes as text, and the characters of cells.

encodings                      the encoding of a file, from its first bytes
→ mixed_encodings              lines that are UTF-8, or else Windows-1252; ``double_encoding``: UTF-8 encoded twice
→ code_pages, western_words    whether words may be Western, or which other code pages they fit
cell_characters                invisible characters and lost letters
"""
