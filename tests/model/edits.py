"""The edits that lead from one list to another (crdt/SEMANTICS.md, Lists, exactly)."""

DIFF_MAX = 512  # edits of the longest script that is looked for


def script(old, new):
    """[(deletes, inserts, stays), …]: from one list to another. > the fewest edits (Myers 1986); more than 512 are not
    > looked for: then all between the common beginning and the common end is replaced"""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    kept = middle(old[start:len(old) - end], new[start:len(new) - end])
    kept = [(start + x, start + y) for x, y in kept] + [(len(old) - end, len(new) - end)]
    hunks, x, y = [(0, 0, start)], start, start
    for i, j in kept:
        hunks.append((i - x, j - y, 1))
        x, y = i + 1, j + 1
    return hunks


def middle(old, new):
    """The pairs that stay."""
    reached = []
    for d in range(DIFF_MAX + 1):
        reached.append({})
        for k in range(-d, d + 1, 2):
            x = step(reached, d, k)
            while x < len(old) and 0 <= x - k < len(new) and old[x] == new[x - k]:
                x += 1
            reached[d][k] = x
            if x >= len(old) and x - k >= len(new):
                return trace(reached, d, len(old), len(new))
    return []


def inserts_to(reached, d, k):
    before = reached[d - 1]
    return k == -d or (k != d and before[k - 1] < before[k + 1])


def step(reached, d, k):
    if d == 0:
        return 0
    return reached[d - 1][k + 1] if inserts_to(reached, d, k) else reached[d - 1][k - 1] + 1


def trace(reached, d, x, y):
    kept = []
    while d >= 0:
        start = step(reached, d, x - y)
        inserts = d > 0 and inserts_to(reached, d, x - y)
        while x > start:
            x, y = x - 1, y - 1
            kept.append((x, y))
        x, y, d = (x, y - 1, d - 1) if inserts else (x - 1, y, d - 1)
    return kept[::-1]
