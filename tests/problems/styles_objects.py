"""Functions of one number in the styles of people who write classes."""

import math
from collections import namedtuple
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

import numpy as np


class Counter:
    def __init__(self, start):
        self.value = start
        self.steps = 0

    def add(self, x):
        self.value += x
        self.steps += 1
        return self


def object_that_changes(x):
    c = Counter(x)
    for _ in range(3):
        c.add(2.0 * x)
    c.add(1.0).add(x)
    return c.value * c.steps


class Vector:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __sub__(self, other):
        return Vector(self.x - other.x, self.y - other.y)

    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor)

    __rmul__ = __mul__

    def __neg__(self):
        return Vector(-self.x, -self.y)

    def __matmul__(self, other):
        return self.x * other.x + self.y * other.y

    def __abs__(self):
        return math.hypot(self.x, self.y)

    def __getitem__(self, k):
        return (self.x, self.y)[k]

    def __len__(self):
        return 2

    def __eq__(self, other):
        return self.x == other.x and self.y == other.y

    def __lt__(self, other):
        return abs(self) < abs(other)

    def __iter__(self):
        return iter((self.x, self.y))


def operators(x):
    a, b = Vector(x, 2.0), Vector(1.0, x)
    c = 2.0 * (a + b) * 0.5 - -a
    return abs(c) + a @ b + c[0] + len(a)


def comparisons_of_objects(x):
    a, b = Vector(x, 2.0), Vector(1.0, x)
    smaller = a if a < b else b
    u, v = smaller
    return u + 10.0 * v + (a == b)


class Shape:
    scale = 2.0

    def __init__(self, size):
        self.size = size

    def area(self):
        raise NotImplementedError

    def scaled(self):
        return self.scale * self.area()


class Square(Shape):
    def area(self):
        return self.size**2


class Disc(Shape):
    scale = 3.0

    def __init__(self, radius):
        super().__init__(2.0 * radius)
        self.radius = radius

    def area(self):
        return math.pi * self.radius**2


def inheritance(x):
    shapes = [Square(x), Disc(x), Square(2.0)]
    return sum(s.scaled() for s in shapes) + shapes[1].size


def isinstance_of_objects(x):
    total = 0.0
    for s in (Square(x), Disc(1.0)):
        if isinstance(s, Disc):
            total += s.radius * x
        elif isinstance(s, Shape):
            total += s.size
    return total


class Circle:
    def __init__(self, radius):
        self._radius = radius

    @property
    def radius(self):
        return self._radius

    @radius.setter
    def radius(self, value):
        self._radius = max(value, 0.1)

    @property
    def area(self):
        return math.pi * self._radius**2

    @staticmethod
    def unit():
        return 1.0

    @classmethod
    def of_diameter(cls, d):
        return cls(0.5 * d)


def properties(x):
    c = Circle(x)
    c.radius = 2.0 * x
    c.radius += 0.5
    return c.area + Circle.of_diameter(x).radius + c.unit()


class Polynomial:
    def __init__(self, *coefficients):
        self.coefficients = coefficients

    def __call__(self, x):
        total = 0.0
        for c in self.coefficients:
            total = total * x + c
        return total

    def derivative(self):
        n = len(self.coefficients) - 1
        return Polynomial(*[c * (n - k) for k, c in enumerate(self.coefficients[:-1])])


def callable_object(x):
    p = Polynomial(x, 2.0, 1.0)
    return p(0.5) + p.derivative()(x)


@dataclass
class State:
    position: float
    velocity: float = 0.0
    history: list = field(default_factory=list)

    def step(self, dt):
        self.velocity -= self.position * dt
        self.position += self.velocity * dt
        self.history.append(self.position)

    @property
    def energy(self):
        return 0.5 * (self.position**2 + self.velocity**2)


def dataclass_that_changes(x):
    s = State(x)
    for _ in range(3):
        s.step(0.1)
    return s.energy + sum(s.history)


def dataclass_in_a_long_loop(x):
    s = Point(x, 0.0)
    for _ in range(50):
        s = Point(s.x + 0.1 * s.y, s.y - 0.1 * s.x)
    return s.x + s.y


@dataclass(frozen=True)
class Point:
    x: float
    y: float

    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)

    def norm(self):
        return np.sqrt(self.x**2 + self.y**2)


def frozen_dataclass(x):
    p = Point(x, 1.0) + Point(2.0, x)
    return replace(p, x=0.5).norm() + p.norm()


@dataclass
class Scaled:
    value: float
    factor: float = 2.0
    total: float = field(init=False)

    def __post_init__(self):
        self.total = self.value * self.factor


def post_init(x):
    return Scaled(x).total + Scaled(x, factor=x).total


class Pair(NamedTuple):
    a: float
    b: float = 2.0

    def product(self):
        return self.a * self.b


Triple = namedtuple("Triple", "x y z")


def named_tuples(x):
    p = Pair(x)
    q = p._replace(b=x)
    t = Triple(x, y=1.0, z=2.0)
    return p.product() + q.product() + sum(t) + t.z


class Phase(Enum):
    GROWTH = 1
    DECAY = 2

    def sign(self):
        return 1.0 if self is Phase.GROWTH else -1.0


def enumeration(x):
    total = 0.0
    for phase in Phase:
        total += phase.sign() * x**phase.value
    return total


def enum_state(x):
    phase = Phase.GROWTH
    y = x
    for _ in range(10):
        y = 1.5 * y if phase is Phase.GROWTH else 0.5 * y
        if y > 5.0:
            phase = Phase.DECAY
        elif y < 1.0:
            phase = Phase.GROWTH
    return y


class Welford:
    def __init__(self):
        self.n, self.mean, self.m2 = 0, 0.0, 0.0

    def push(self, v):
        self.n += 1
        delta = v - self.mean
        self.mean += delta / self.n
        self.m2 += delta * (v - self.mean)


def running_statistics(x):
    w = Welford()
    for k in range(30):
        w.push(x * math.sin(k))
    return w.mean + w.m2 / (w.n - 1)


class Grid:
    def __init__(self, n):
        self.u = np.zeros(n)

    def diffuse(self, d):
        self.u[1:-1] += d * (self.u[2:] - 2.0 * self.u[1:-1] + self.u[:-2])


def object_with_an_array(x):
    g = Grid(8)
    g.u[3] = x
    for _ in range(5):
        g.diffuse(0.1 * x)
    return np.sum(g.u**2)


class Layer:
    def __init__(self, w, b):
        self.w, self.b = w, b

    def __call__(self, v):
        return np.tanh(self.w @ v + self.b)


class Network:
    def __init__(self, layers):
        self.layers = layers

    def __call__(self, v):
        for layer in self.layers:
            v = layer(v)
        return v


def network_of_objects(x):
    net = Network([Layer(np.eye(2) * x, np.ones(2)), Layer(np.ones((1, 2)), np.zeros(1))])
    return net(np.array([0.3, x]))[0]


class Node:
    def __init__(self, value, left=None, right=None):
        self.value, self.left, self.right = value, left, right

    def total(self):
        below = sum(child.total() for child in (self.left, self.right) if child is not None)
        return self.value + 0.5 * below


def tree(x):
    return Node(x, Node(1.0, Node(x)), Node(x * x)).total()


def point_of_match(x):
    def size(p):
        match p:
            case Point(x=0.0, y=y):
                return y
            case Point(a, b):
                return a * b
            case Pair(a=a):
                return a
            case float():
                return 5.0 * p
        return 0.0

    return size(Point(2.0, x)) + size(Pair(x)) + size(x)


class Dual:
    """A number with a derivative, written out by hand."""

    def __init__(self, value, slope=0.0):
        self.value, self.slope = value, slope

    def __add__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    __radd__ = __add__

    def __mul__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    __rmul__ = __mul__

    def __pow__(self, n):
        result = Dual(1.0)
        for _ in range(n):
            result = result * self
        return result


def dual_numbers(x):
    d = Dual(x, 1.0)
    y = 2.0 * d**3 + d * 5.0 + 1.0
    return y.value + y.slope


def swapped_objects(x):
    a, b = Counter(x), Counter(2.0)
    for k in range(20):
        if a.value < b.value:
            a.add(x)
        else:
            b.add(0.5)
        if k % 3 == 0:
            a, b = b, a
    return a.value + 10.0 * b.value


PROGRAMS = [
    object_that_changes, operators, comparisons_of_objects, inheritance, isinstance_of_objects, properties,
    callable_object, dataclass_that_changes, dataclass_in_a_long_loop, frozen_dataclass, post_init,
    named_tuples, enumeration, enum_state, running_statistics, object_with_an_array, network_of_objects, tree,
    point_of_match, dual_numbers, swapped_objects,
]  # fmt: skip
