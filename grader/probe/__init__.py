"""What runs inside the probe container: it talks to the app through the guard and sends evidence out over a pipe.

A check family needs ``session`` (what it is given), and through it ``target`` (the only HTTP client), ``guard`` (the
proxy between us and the app) and ``agencies`` (the databases that the app reads); ``events`` is the way out.
"""
