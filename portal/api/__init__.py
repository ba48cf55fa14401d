"""The JSON API ``/api/v1``: what the pages do, for programs. The same doors and services; answers are JSON."""
