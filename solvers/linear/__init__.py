"""The linear systems of implicit steps."""
