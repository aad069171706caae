"""What can go wrong in the backend."""


class AuthenticationError(Exception):
    """Somebody is not who they say, as far as we can tell."""
