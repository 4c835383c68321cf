"""Event functions with their attributes set."""


def event(function, direction=0, terminal=False, apply=None):
    function.direction, function.terminal = direction, terminal
    if apply is not None:
        function.apply = apply
    return function
