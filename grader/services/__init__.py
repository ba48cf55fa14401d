"""One function for each thing that somebody wants done; the command line and the portal call the same ones.

A service owns its transaction: it reads what it needs, refuses with a code, changes, and says in the audit chain what
it did. Nothing here knows containers or web requests.
"""
