"""Pages for people: the verdict on one file, as HTML and plain text, and the dictionary of contracts."""
