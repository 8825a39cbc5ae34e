"""Cell text to typed values, and the types of silver. Which values are allowed is in ``rules``."""
