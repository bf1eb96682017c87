"""chaoswal: can a kill or a power cut make a storage engine break a promise it gave?"""

__version__ = "0.1.0"
