"""From a user's right-hand side to what the integration loop calls."""
