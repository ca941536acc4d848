"""One federated experiment on several frameworks: proven equal, timed fairly, side by side."""

__version__ = "0.1.0"
