"""The study that this grew from: what it published, and how a run of your own stands beside it."""
