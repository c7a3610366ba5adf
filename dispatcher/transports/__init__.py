"""The wires: what carries the requests of carriers and callbacks out, and their answers back."""
