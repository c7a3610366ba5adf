"""The words of those who tell what a number is: one file per provider, pure as the carriers are."""
