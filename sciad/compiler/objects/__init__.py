"""What the user's variables hold while a program is traced: arrays, containers, numbers."""
