"""Dispatcher: an SMS invite dispatch engine."""
