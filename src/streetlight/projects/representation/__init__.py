"""Learning what pictures have in common before, or without, being told what they show."""
