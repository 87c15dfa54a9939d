"""Flags, disable-wins: off while there is a disable that no later enable, disable or unset saw; on while there are
enables only. Otherwise as the enable-wins flag."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import flag_ew  # noqa: E402

CREATE = {"op": "create", "path": "/a", "type": "flag_dw"}
ALPHABET = tuple([CREATE, ops[1]] if isinstance(ops, list) else ops for ops in flag_ew.ALPHABET)


def generate(rng):
    ops = flag_ew.generate(rng)
    if isinstance(ops, list):
        ops[0]["type"] = "flag_dw"
    return ops


def expected(ops):
    return flag_ew.expected(ops, all)
