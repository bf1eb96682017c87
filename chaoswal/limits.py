"""Every bound and unit in one place, with the reason for its value."""

SECTOR_BYTES = 512
"""The unit a disk writes whole (NVMe and SATA logical block; SQLite's powersafe overwrite assumes it too)."""

PAGE_BYTES = 4096
"""The unit the kernel copies a write in; a killed writer stops between two of them."""

RECOVERY_CALLS_MAX = 50_000
"""Calls to the disk one recovery may make before it is taken to hang."""

MEMORY_BYTES_MAX, MEMORY_SHARE = 2 << 30, 4
"""Data that one process may have: so much, or one part in so many of the machine's, whichever is less. No recovery of
what a campaign writes needs it, and it leaves the machine alive."""
