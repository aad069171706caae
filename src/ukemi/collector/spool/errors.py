"""
What can go wrong in the spool.

SpoolError
└── SpoolFull   no room: more waits than allowed, or the disk is full
"""


class SpoolError(Exception):
    """The spool could not take or give items."""


class SpoolFull(SpoolError):
    """Nothing was written: more waits than `max_spool_bytes`, or the disk is full. Works again once there is room."""
