"""What a person did that can't be done, told in one line."""


class UserError(Exception):
    """Bad input. The message says what, where (file, line or key) and what is allowed; the CLI exits 2."""
