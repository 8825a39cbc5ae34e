"""Hypothesis draws the same examples every time, and a slow machine is no failure.

``--hypothesis-profile=default`` draws others.
"""

from hypothesis import settings

settings.register_profile("same draws", derandomize=True, deadline=None)
settings.load_profile("same draws")
