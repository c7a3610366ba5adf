"""One file per carrier, pure: what to say, what was answered, what their hooks tell. No I/O."""
