"""Every bound and unit in one place, with the reason for its value."""

SECTOR_BYTES = 512
"""The unit a disk writes whole (NVMe and SATA logical block; SQLite's powersafe overwrite assumes it too)."""

PAGE_BYTES = 4096
"""The unit the kernel copies a write in; a killed writer stops between two of them."""

OLD_SECONDS = 86_400.0
"""So old is what an engine finds when it is opened: a lock of yesterday, by its time, is none of today's."""

RECOVERY_CALLS_MAX = 50_000
"""Calls to the disk one recovery may make before it is taken to hang."""

FINDING_BYTES_MAX, LINE_CHARACTERS_MAX = 1 << 20, 1 << 14
"""No finding that was ever shrunk comes near: what is longer was made to keep somebody busy."""

NUMBER_MAX, NUMBERS_MAX = 1 << 26, 1 << 28
"""Of a step, and of all steps of a file: bytes, milliseconds, counts. Records of 64 MiB, and what fits into memory."""

FILE_BYTES_MAX = 1 << 30
"""Of a file that an engine has made: a larger one, or one with holes, is not read. What fits into memory besides."""

MEMORY_BYTES_MAX, MEMORY_SHARE = 2 << 30, 4
"""Data that one process may have: so much, or one part in so many of the machine's, whichever is less. No recovery of
what a campaign writes needs it, and it leaves the machine alive."""
