"""The integration loop, its steps and controllers, and the driver that runs it."""
