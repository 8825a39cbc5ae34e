"""The check of a file before it is sent, over the web: an agency's token, one process for each file, nothing stored."""
