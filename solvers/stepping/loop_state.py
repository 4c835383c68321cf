"""Where the integration loop keeps its state: indices into two small arrays and the codes it returns with.

The loop can stop at any step boundary and be called again, so everything it knows is in arrays: ``whole``
(int64), ``real`` (float64), the rows of ``z`` and the outputs. Python reads and sets the same places.
"""

from __future__ import annotations

# whole[...]: integers
SIZE = 0  # n, number of unknowns
PENDING = (
    1  # 1: a step has been accepted whose outputs are not written yet; 2: and its dense output is asked for
)
STARTED = 2  # 0: f(t, y) and the first step size are still to be found
OUTPUT = 3  # next of the output times
RECORDED = 4  # rows of the record in use
RECORD_LEVEL = 5  # 0 nothing, 1 (t, h, y), 2 (t, h, y, stages), 3 the LU factors of the step too
DENSE_ALWAYS = 6  # 1: extra stages of the dense output in every step, not only where an output time lies
ACCEPTED = 7
REJECTED = 8
NFEV = 9
NJEV = 10
NLU = 11
MAX_STEPS = 12  # attempts allowed in all; negative: no limit
BUDGET = 13  # attempts allowed in this call, counted down; negative: no limit
STOP = 14  # next of the times to hit exactly
AFTER_REJECTION = 15  # 1: the last attempt was rejected
RAISED = 16  # status of the model where it is not 0
EVENTS = 17  # number of event functions
EXTRA_DONE = 18  # 1: extra stages of the present step are there
DENSE_DONE = 19  # 1: coefficients of the dense output of the present step are there
FRESH = 20  # 1: the Jacobian belongs to the present t, y
LINEAR_ALGEBRA = 21  # where in the scratch space the linear algebra's part begins
WATCHED = 22  # 1: look whether steps are limited by stability
STIFF_STEPS = 23  # steps found so, and steps not found so since
EASY_STEPS = 24
SWITCHING = 25  # 1: the method should be changed
MASS = 26  # 1: there is a mass matrix
HAVE_JACOBIAN = 27  # 1: there is a Jacobian, maybe of an earlier step, that can be used
HAVE_FACTORS = 28  # 1: and factors, maybe of another step size
SINCE = 29  # steps since the tangent was looked at
TANGENT_STARTED = 30  # 1: there is a tangent
AT_STOP = 31  # 1: the present time is one of the times to hit exactly, where the model may jump
BOUND_STEPS = 32  # steps in a row limited by the stability of tangents
SETTLING = 33  # steps in a row that are looked at before the tangent is one again
END_IS_STOP = 34  # 1: so is the end
SWITCHES = 35  # number of places where the model switches, if these are watched
SWITCH_ENTRY = 36  # address of the function that computes their differences
CROSSED = 37  # 1: one of them passes zero in the step just accepted
WHOLE_SIZE = 38

# real[...]: floats
T0 = 0  # start of the last accepted step
T1 = 1  # its end: the present time
END = 2
STEP = 3  # size of the next step, positive
LARGEST = 4  # max_step
SAFETY = 5
SHRINK = 6  # smallest and largest factor by which a step may change
GROW = 7
BETA1 = 8  # exponents of the errors of the present and the two previous steps
BETA2 = 9
BETA3 = 10
LOG1 = 11  # log of the squared errors of the two previous accepted steps
LOG2 = 12
LAST_STEP = 13  # size of the previous accepted step, for the predictive controller
LIMIT = 14  # outputs are written up to here (an event may lie before T1)
ERROR = 15  # squared error of the last attempt
DIRECTION = 17  # 1 or -1
STIFFNESS = 16  # estimate of h |lambda|
LENGTH = 19  # of the last accepted step, with its sign
BOUND = 18  # limit of the step size by the stability of tangents
SHARE = 21  # of the direction in the parameters, in the tangent as it is scaled now
PEAK = 22  # largest size of the tangent so far, for a direction of size one
GROWTH = 23  # by the last product with the Jacobian
LOOKED = 24  # end of the step at which the tangent was looked at last
REAL_SIZE = 26

# Codes the loop returns with
DONE = 0
RECORD_FULL = 1
BUDGET_SPENT = 2
EVENT = 3
SWITCH = 4
TOO_SMALL = -1
MODEL_RAISED = -2
TOO_MANY_STEPS = -3
BAD_TIMES = -4
