"""Kill everything that keeps work, again and again, and then look whether anything was lost."""
