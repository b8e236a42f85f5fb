"""Formulas: read, expanded, differentiated and computed."""
