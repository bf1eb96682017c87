"""The narrow waist between an engine and its files: protocols, and the file systems behind them."""
