"""Helpers that several test folders share; pytest finds them because `tests` is on its python path."""
