"""How a file differs from the previous files of its series. Pure; profiles in, sentences out.

``summary`` keeps the numbers of one file that are compared, ``distance`` measures how far two distributions are apart,
``compare`` finds what is unusual, and ``finding`` is what it says.
"""
