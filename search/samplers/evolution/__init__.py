"""Aging evolution: populations, tournaments, children, and who of the children is proposed."""
