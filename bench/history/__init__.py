"""Results over time: by commit and machine in one SQLite file, where they step, as pictures and files."""
