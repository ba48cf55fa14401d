"""Grade a trainee's API project: archive in, verdict out."""

__version__ = "0.1.0"
