"""Files that agencies drop into S3 become checked, typed, traceable tables."""

import os

# Read once by Polars and NumPy as they are imported, so it is said before either can be; the operator's word wins.
# One arena: what one thread frees serves the next chunk, whichever thread reads it (decision 0005).
os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:1,oversize_threshold:0,dirty_decay_ms:2000")
# There is no linear algebra here, and OpenBLAS' threads spin for 0.1 s at every start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
