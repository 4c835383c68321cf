"""The intermediate representation: nodes, building, walking, checking and interpreting it."""
