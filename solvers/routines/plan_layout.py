"""What the driver of a solve is told, and what it leaves behind: places in small arrays of int64.

The plan of a solve is made once, in Python; the driver reads it (and remembers in it how long a record was).
Addresses in it are those of arrays that live as long as the process.
"""

from __future__ import annotations

# The plan of a solve
UNKNOWNS = 0
PARAMETERS = 1
OUTPUTS = 2
STATE_ROWS = 3  # rows of the state of a step
ROW_Y1 = 4  # the row of the state at the end of a step
ROW_CLOSING = 5  # and of f there
WIDTH = 6  # numbers in a row of the record
LEVEL = 7  # of the record: nothing, (t, h, y), the stages, LU factors
STOPS = 8  # how many times are to be hit exactly
SCRATCH = 9  # numbers of workspace
MOVED_ROWS = 10  # rows of the second state of guarded solves, or 0
SPARE = 11  # numbers of the workspace beside it
WHOLE_AT = 12  # addresses: how whole, real, state and workspace begin (the last may be 0),
REAL_AT = 13
STATE_AT = 14
SCRATCH_AT = 15
MOVED_WHOLE_AT = 16
RTOLS = 17  # relative tolerances: one, or one for each unknown
TABLE_AT = 18  # of the table that the kernel takes,
TABLE_SIZE = 19
KERNEL = 20  # and of the kernel
CAPACITY = 21  # rows that the record begins with
MOST_BYTES = 22  # that the record may take, or -1
OTHER_PLAN = 23  # address of the plan of the method to switch to, or 0
ATOLS = 24
ROW_RTOL = 26  # the row of the relative tolerances, behind which is that of the absolute ones
SHARE_AT = 27  # address of the factor of all tolerances, 1 but where errors of gradients are estimated
ADAPTIVE_PLAN = 28  # 1: the method chooses its steps
BACK_PLAN = 25  # address of the plan of the sweep backwards over its records, or 0
PLAN_SIZE = 30

# What a solve is controlled by, numbers that are known when it begins
FIRST_STEP = 0  # or 0
MAX_STEP = 1
TOLERANCES = 2  # relative and absolute ones, then the times to hit

# The plan of a sweep
SWEEP_STATE_ROWS = 3
ROW_LAM = 4
SWEEP_SCRATCH = 5
SWEEP_SCRATCH_AT = 6
SWEEP_WORK = 7
SWEEP_MASS_AT = 8
SWEEP_MASS_ROWS = 9
SWEEP_TABLE_AT = 10
SWEEP_TABLE_SIZE = 11
SWEEP_KERNEL = 12
SWEEP_CARRIED = 13  # the row of what one step asks of the next, or -1
SWEEP_PLAN_SIZE = 16

# What a solve leaves for its sweep, behind the two int64 that every block begins with
STEPS = 2
PLACE_AT = 3  # addresses: of step and theta of each output,
P_AT = 4  # of the parameters
SLOPE_AT = 5  # and of f at the end
PLAN_AT = 6  # the plan by which it was solved
HIT_AT = 7  # and the times that were hit
BLOCK_SIZE = 8

# A report of a failure: this, then whole, real, and two vectors
CODE = 0  # of the loop, or one of those below
WHERE = 1  # which component
WHICH = 2  # address of the plan
UNKNOWNS_REPORTED = 3
REPORT_HEAD = 4

SMALLEST_RTOL = 100.0 * 2.220446049250313e-16  # as in `sciad.solvers.ode.tolerance`

# Codes besides those of the loop
BAD_SPAN = -11
BAD_START = -12
BAD_PARAMETER = -13
LONG_FIRST_STEP = -14
NO_MEMORY = -15
RECORD_TOO_LONG = -16
LOSS_NOT_FINITE = -17
NOT_FINITE = -18
SWEEP_RAISED = -19
EMPTY_SPAN = -20
BAD_CONTROL = -22
TANGENT_NOT_FINITE = -21
