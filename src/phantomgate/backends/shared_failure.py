"""What the callers of a single flight are told when it fails.

Rule: each is given an exception of its own, since one that several raise gathers all their tracebacks; and none is
given the leader's end (a cancellation, an exit), which is not theirs.
"""

from __future__ import annotations

from phantomgate.core.errors import Reason, Refused, Unavailable


def anew(failure: BaseException) -> Refused:
    """*failure* for one more caller: a refusal again, a bug as SERVER_ERROR, the end of the leader as Unavailable."""
    if isinstance(failure, Refused):
        again = failure.again()
        again.__cause__ = failure.__cause__
    elif isinstance(failure, Exception):
        again = Refused(Reason.SERVER_ERROR, type(failure).__name__)
        again.__cause__ = failure
    else:
        again = Unavailable(f"the call that this request waited for was abandoned ({type(failure).__name__})")
    return again
