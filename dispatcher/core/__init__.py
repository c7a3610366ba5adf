"""The rule book: pure values and decisions. No clock, no randomness, no I/O, no logging."""
