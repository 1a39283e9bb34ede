"""``tocsin source check``: which gateway wrote a log, what of it can be used, and which alerts can never fire on it."""
