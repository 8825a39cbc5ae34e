"""Which new column of a file is a column that it used to have under another name. Suggestions for people only."""
