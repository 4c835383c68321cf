"""IR to text and from text to something to call."""
