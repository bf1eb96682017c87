"""Every bound and unit in one place, with the reason for its value."""

SECTOR_BYTES = 512
"""The unit a disk writes whole (NVMe and SATA logical block; SQLite's powersafe overwrite assumes it too)."""

PAGE_BYTES = 4096
"""The unit the kernel copies a write in; a killed writer stops between two of them."""

RECOVERY_CALLS_MAX = 50_000
"""Calls to the disk one recovery may make before it is taken to hang."""
