"""A file that a browser or a program posts is checked, and the answer is its verdict page. Nothing is kept."""
