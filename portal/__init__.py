"""The web pages of trainees, instructors and managers; it never reaches the container engine."""
