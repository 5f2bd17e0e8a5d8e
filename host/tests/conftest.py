"""What all tests share: two test processes on one machine, and the same cases every time.

TensorFlow takes one core in each process, whichever test imports it first. Hypothesis draws the same examples in every
run, without a clock: a run on a busy machine fails for the same reason as one on an idle machine, or not at all.
``pytest --hypothesis-profile explore`` draws new ones.
"""

import os

from hypothesis import settings

for _variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(_variable, "1")

settings.register_profile("explore", deadline=None)
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")
