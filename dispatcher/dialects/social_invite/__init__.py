"""The Social Invite API 2.0 (seed 004)."""
