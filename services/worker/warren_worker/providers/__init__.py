"""The providers, found by the name of their module."""
