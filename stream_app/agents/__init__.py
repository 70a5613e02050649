"""Faust agents, in the data's order: visits and purchases, merge, judge, notify."""
