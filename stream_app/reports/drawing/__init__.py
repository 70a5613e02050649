"""The pictures: matplotlib is imported here and nowhere else, and without a screen."""
