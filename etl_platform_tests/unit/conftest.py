"""Hypothesis draws the same examples every time, and a slow machine is no failure.

``--hypothesis-profile=new-draws`` draws others.
"""

from hypothesis import settings

settings.register_profile("new-draws", deadline=None)
settings.register_profile("same-draws", deadline=None, derandomize=True)
settings.load_profile("same-draws")
