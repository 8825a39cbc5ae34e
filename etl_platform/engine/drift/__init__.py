"""How a file differs from the previous files of its series. Pure; profiles in, sentences out.

``series_names`` says which names are of one series, ``summary`` keeps the numbers of one file that are compared, and
``distance`` measures how far two distributions are apart. ``compare`` finds what is unusual about a file, with
``compare_columns`` and ``compare_numbers`` about its columns. ``finding`` is what it says.
"""
