"""What values and paths are, for model.py."""

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


def is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value):
    return is_int(value) or isinstance(value, float)


def is_scalar(value):
    return not isinstance(value, (list, dict))


def is_row(value):
    """An entry of a leaderboard that is written out."""
    return (isinstance(value, dict) and value.keys() == {"member", "score"} and isinstance(value["member"], str)
            and is_int(value["score"]))


def fits(number):
    return INT_MIN <= number <= INT_MAX


def saturated(number):
    return min(max(number, INT_MIN), INT_MAX)


def pointer(text):
    """RFC 6901 text to a tuple of names."""
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in text.split("/")[1:])


def to_pointer(path):
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)


def chain_of(record):
    """What an origin's increments add up in: a counter, or a member's score."""
    return (record.kind, record.path, record.member)
