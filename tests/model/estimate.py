"""The number that a hyperloglog shows, for model.py."""

import math

from values import INT_MAX

REGISTERS, RANK_MAX = 2048, 54


def estimate(ranks):
    """> Ertl 2017, algorithm 6. `ranks`: the greatest rank of each register that has one."""
    counts = [0] * (RANK_MAX + 1)
    for rank in ranks.values():
        counts[rank] += 1
    counts[0] = REGISTERS - len(ranks)
    if not ranks:
        return 0
    m = float(REGISTERS)
    z = m * tau(1 - counts[RANK_MAX] / m)
    for count in counts[RANK_MAX - 1:0:-1]:
        z = 0.5 * (z + count)
    z += m * sigma(counts[0] / m)
    return math.floor(0.72134752044448170368 * m * m / z + 0.5) if z > 0 else INT_MAX


def sigma(x):
    y, z, before = 1.0, x, None
    while z != before:
        x *= x
        before, z, y = z, z + x * y, y + y
    return z


def tau(x):
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, None
    while z != before:
        x, y = math.sqrt(x), y * 0.5
        before, z = z, z - (1 - x) * (1 - x) * y
    return z / 3
