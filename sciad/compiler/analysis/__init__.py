"""What passes and derivatives ask of a program: activity, cost, which loops may run in any order."""
