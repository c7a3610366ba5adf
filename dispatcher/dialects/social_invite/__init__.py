"""The Social Invite API 2.0."""
