"""
What can go wrong in the store.

StoreError
├── NotFound     there is no such row
├── NameTaken    a name that must be unique exists
├── TooNew       the database was written by a newer version of ukemi
├── Unreachable  the database cannot be opened
├── BadBackup    a backup cannot be written or read
└── NotEmpty     a restore would replace what is there
"""


class StoreError(Exception):
    """The store could not do what was asked. The message is fit for a person."""


class NotFound(StoreError):
    """There is no such project, key, issue or account."""


class NameTaken(StoreError):
    """Another row has this name already."""


class TooNew(StoreError):
    """The database was written by a newer version of ukemi, which this one cannot read."""


class Unreachable(StoreError):
    """The database cannot be opened: a wrong URL, a missing driver, or nobody there."""


class BadBackup(StoreError):
    """A backup cannot be written, or what was given as one cannot be read. The database is as it was."""


class NotEmpty(StoreError):
    """A restore would replace a database that holds something, and nobody said that this is meant."""
