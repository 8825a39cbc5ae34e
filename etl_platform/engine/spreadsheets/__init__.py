"""Workbooks that people fill or correct: refused rows with notes, and empty templates. Nothing is read here."""
