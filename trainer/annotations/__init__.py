"""Boxes that people drew with other programs, read from their files."""
