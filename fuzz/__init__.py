"""Campaigns of generated programs, outside pytest: checks a level, coverage, what was found."""
