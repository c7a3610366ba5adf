"""The duties (use cases). They touch the world only through ports."""
