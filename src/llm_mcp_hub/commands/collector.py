"""Python's garbage collector in a process that is the hub, which must not slow its turns.

Guarantee: objects in cycles are still found, at the latest once there are `YOUNG` more objects than
at the last look. What is in no cycle goes at once, with or without the collector.
"""

import gc

YOUNG = 10_000
"""By default it is 700: a few turns that run at the same time. All their objects would be looked at
again and again, which costs some hundredths of the processor under load, and hardly any is ever
garbage. With many more than this each look, which holds everybody up, takes too long."""


def spare_the_turns() -> None:
    """Look at what has been made so far for the last time, and seldom at what is made from now on.

    To be called once, when the process is ready to serve.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
