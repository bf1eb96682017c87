"""The recorder ``patched``: unmodified code in pure Python works on the simulated disk.

Theory of operation. A simulated disk is mounted at a path that no process can have: below ``/dev/null``, which is no
directory. The functions of ``os``, ``io``, ``fcntl`` and the builtin ``open`` are replaced where they stand
(``install``), so that every module that asks for them finds ours: ``shutil``, ``tempfile``, ``pathlib`` and the engine
alike. What concerns such a path, or a descriptor of such a file, is done to the simulated disk (``calls``); everything
else goes to the machine as before. Files are raw files of ours (``streams``) under the buffers of CPython itself, so
that the writes that reach the disk are those that would have been system calls. What holds nothing durable (modes,
owners, times, extended attributes, the listing of a directory with all of these) pyfakefs keeps (``attributes``).

Nothing can slip through to the machine unnoticed. A path below ``/dev/null`` names nothing there, and descriptors
begin where no process has any, so whatever C code does with them fails. Where such code announces what it is about to
do, by one of Python's audit events, that is told as what it is (``unseen``): not seen, and so UNKNOWN.
"""
