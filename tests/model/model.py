"""crdt/SEMANTICS.md, executable: the full history of operations, and definitions instead of cleverness.

An event is kept whole for ever, with the set of events that its writer had seen. Each of its client ops is resolved, at
the writer, into records. A record has a dot, a kind, a path, a value, and `takes`: the dots that it takes away. The
state is a function of a set of known events:

    alive(events) = all records of these events − everything that a record of these events takes away

No causal contexts, no marks or frames, no deltas. Quotes ("> …") are from SEMANTICS.md.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from format import msgpack, observation, type_of  # noqa: E402  the canonical encoding: identity and order
from estimate import estimate  # noqa: E402
from lists import ListView, ListWriter  # noqa: E402
from values import (INT_MAX, INT_MIN, chain_of, fits, is_int, is_number, is_row, is_scalar,  # noqa: E402
                    pointer, saturated, to_pointer)

# > Numbers: map 1, list 2, set 3, set_rw 4, bounded_counter 5, counter 6, leaderboard 7, max 8, min 9, flag_ew 10,
# > flag_dw 11, hyperloglog 12, mvregister 13, register 14
MAP, SET, SET_RW, COUNTER, MAX, MIN, FLAG_EW, FLAG_DW, MVREGISTER, REGISTER = 1, 3, 4, 6, 8, 9, 10, 11, 13, 14
LIST, BOUNDED, LEADERBOARD, HYPERLOGLOG = 2, 5, 7, 12
TYPE_NAMES = {MAP: "map", LIST: "list", SET: "set", SET_RW: "set_rw", BOUNDED: "bounded_counter", COUNTER: "counter",
              LEADERBOARD: "leaderboard", MAX: "max", MIN: "min", FLAG_EW: "flag_ew", FLAG_DW: "flag_dw",
              HYPERLOGLOG: "hyperloglog", MVREGISTER: "mvregister", REGISTER: "register"}
TYPES = {name: number for number, name in TYPE_NAMES.items()}
UNSET, REMOVE = 101, 102  # records that only take away
REMOVE_RW = 103  # a remove that stays, and wins, until something that saw it takes it away
SCORE, REMOVE_MEMBER = 104, 105  # leaderboard: an increment, which stays as a counter's does; and a remove
TRANSFER = 106  # rights of a bounded counter change hands
DELETE = 107  # list: takes elements away
TAKEOVER = 108  # rights of a bounded counter, of an origin that writes no more, pass to its heir
DEPTH_MAX = 16


class Refused(Exception):
    def __init__(self, code, path=()):
        super().__init__(code + " at /" + "/".join(path))
        self.code, self.path = code, path


class Record:
    def __init__(self, kind, dot, path, value, takes, clock):
        self.kind, self.dot, self.path, self.value, self.clock = kind, dot, path, value, clock
        self.member = None  # leaderboard
        self.takes = frozenset(takes)
        self.presence = False  # made by `create`: keeps a field of the type `kind` there
        self.frame = ()  # an increment: the writer's own increments of its frame, itself last
        self.cell = ()  # of a bounded counter: the writer's own records that the same cell sums up, itself last
        self.bound = self.target = self.creates = None
        self.anchor = None  # an element of a list: (side, dot of the parent); None: a right child of the root
        self.run = ()  # the first element of a run: all of them
        self.follows = False  # another element of a run
        self.marks = ()  # an unset: for each (path, origin) of a counter, the newest increment it cancels


class Event:
    """One accepted write. `saw`: the ids of all events that were applied at the writer before."""

    def __init__(self, origin, seq, clock, ops, saw, records):
        self.id, self.origin, self.seq, self.clock = (origin, seq), origin, seq, clock
        self.ops, self.saw, self.records = ops, frozenset(saw), records


# ---- what is alive -------------------------------------------------------------------------------------------------


def known_records(records):
    """> An increment brings those before it in its frame along."""
    known = {record.dot: record for record in records}
    for record in records:
        for earlier in record.frame:
            known[earlier.dot] = earlier
    return known


def kept_records(records):
    """All that nothing took away, with the removes of remove-wins sets."""
    known = known_records(records)
    gone = set()
    for record in known.values():
        gone |= record.takes
    return [r for r in known.values() if (r.kind in TYPE_NAMES or r.kind in (REMOVE_RW, SCORE)) and r.dot not in gone]


def alive_records(kept):
    """> set_rw: an element with an add and no remove not superseded"""
    removed = {(r.path, msgpack(r.value)) for r in kept if r.kind == REMOVE_RW}
    return [r for r in kept if r.kind != REMOVE_RW
            and (r.kind != SET_RW or r.presence or (r.path, msgpack(r.value)) not in removed)]


def records_of(events):
    return [record for event in events for record in event.records]


class View(ListView):
    """The state that a set of records amounts to."""

    def __init__(self, records):
        self.known = known_records(records)
        self.kept = kept_records(records)
        self.alive = alive_records(self.kept)
        # > a change says what its cell amounts to, and so what all changes before it in the cell did
        self.told = list({r.dot: r for record in records for r in record.cell}.values())
        # > bounded_counter: there while there are rights, presence or not
        here = {r.path for r in self.alive if r.kind == BOUNDED}
        for path in sorted({r.path for r in self.told} - here):
            if self.rights(path) > 0:
                self.alive.append(Record(BOUNDED, None, path, None, (), None))

    # Bounded counters

    def bound(self, path):
        """> the least bound that any change has named"""
        return min((r.bound for r in self.told if r.path == path), default=None)

    def rights(self, path):
        """> all that were made and not spent"""
        return sum(r.value for r in self.told if r.path == path and r.kind == BOUNDED)

    def rights_of(self, path, origin):
        """> those that an origin made or was given, without those that it gave away or spent"""
        here = [r for r in self.told if r.path == path]
        return (sum(r.value for r in here if r.kind == BOUNDED and r.dot[0] == origin)
                + sum(r.value for r in here if r.kind == TRANSFER and r.target == origin)
                - sum(r.value for r in here if r.kind == TRANSFER and r.dot[0] == origin)
                + sum(r.value for r in here if r.kind == TAKEOVER and r.dot[0] == origin)
                - sum(r.value for r in here if r.kind == TAKEOVER and r.target == origin))

    def holders(self):
        """{path: (bound, value, {origin: rights})} of all bounded counters that are there."""
        found = {}
        for path in sorted({r.path for r in self.alive if r.kind == BOUNDED}):
            here = [r for r in self.told if r.path == path]
            origins = {r.dot[0] for r in here} | {r.target for r in here if r.target is not None}
            held = {origin: saturated(self.rights_of(path, origin)) for origin in origins}
            found[path] = (self.bound(path), saturated(self.bound(path) + self.rights(path)),
                           {origin: rights for origin, rights in held.items() if rights != 0})
        return found

    def at(self, path, kind):
        return [r for r in self.alive if r.kind == kind and r.path == path and not r.presence]

    def presence(self, path, kind):
        return [r for r in self.alive if r.kind == kind and r.path == path and r.presence]

    def rivals(self, path):
        """Adds and removes of a remove-wins set, hidden ones too."""
        return [r for r in self.kept if r.path == path and r.kind in (SET_RW, REMOVE_RW) and not r.presence]

    def below(self, path):
        """Everything alive at the path or below it."""
        return [r for r in self.alive if r.path[: len(path)] == path]

    def types(self, path):
        """> A field is *there* while something of it is alive; map: its own presence, or a field that is alive."""
        return {type_of(r) if r.path == path else MAP for r in self.below(path)}

    def shown(self, path):
        """> both are kept, the one with the smaller type number is shown"""
        return min(self.types(path), default=None)

    def names(self, path):
        return sorted({r.path[len(path)] for r in self.below(path) if len(r.path) > len(path)}, key=str.encode)

    def elements(self, path, kind=SET):
        """> elements, sorted by canonical encoding"""
        found = {msgpack(r.value): r.value for r in self.at(path, kind)}
        return [found[key] for key in sorted(found)]

    def exact_sum(self, path):
        """> sum of the increments not cancelled"""
        return sum(r.value for r in self.at(path, COUNTER))

    def members(self, path):
        """The names that a leaderboard shows, sorted by bytes."""
        return sorted({r.member for kind in (LEADERBOARD, SCORE) for r in self.at(path, kind)}, key=str.encode)

    def score_writes(self, path, member):
        return [r for r in self.writes(path, LEADERBOARD) if r.member == member]

    def score_steps(self, path, member):
        return [r for r in self.at(path, SCORE) if r.member == member]

    def score(self, path, member):
        """> a score is the last `to`, 0 if there is none, and the increments not cancelled"""
        writes = self.score_writes(path, member)
        return (writes[0].value if writes else 0) + sum(r.value for r in self.score_steps(path, member))

    def board(self, path):
        """> from the highest score down, equal scores by the member's bytes"""
        rows = [{"member": m, "score": min(max(self.score(path, m), INT_MIN), INT_MAX)} for m in self.members(path)]
        return sorted(rows, key=lambda row: (-row["score"], row["member"].encode()))

    def ranks(self, path):
        """> a register's rank is the greatest of its entries"""
        found = {}
        for record in self.at(path, HYPERLOGLOG):
            register, rank = observation(record.value)
            found[register] = max(rank, found.get(register, 0))
        return found

    def greatest(self, path):
        """> the greatest entry (integers and floats compare as numbers; equal numbers: the integer is shown)"""
        return max((r.value for r in self.at(path, MAX)), key=lambda v: (v, is_int(v)), default=None)

    def least(self, path):
        """> min: likewise, the least"""
        return min((r.value for r in self.at(path, MIN)), key=lambda v: (v, not is_int(v)), default=None)

    def writes(self, path, kind=REGISTER):
        """> the write with the greatest (clock, origin, seq, index): the winner comes first"""
        return sorted(self.at(path, kind), key=lambda r: (r.clock, r.dot), reverse=True)

    def flag(self, path, kind):
        """> flag_ew: on if an enable is among the ops not superseded; flag_dw: off if a disable is. Winner first."""
        writes = self.writes(path, kind)
        wins = kind == FLAG_EW
        return sorted(writes, key=lambda r: r.value != wins)  # stable: the latest of those that win

    def values(self, path):
        """> mvregister: the values of all writes not superseded, each once, sorted by canonical encoding"""
        found = {msgpack(v): v for r in self.at(path, MVREGISTER) for v in r.value}
        return [found[key] for key in sorted(found)]

    def value(self, path=()):
        kind = self.shown(path)
        if kind == BOUNDED:
            return saturated(self.bound(path) + self.rights(path))
        if kind == LIST:
            return [r.value for r in self.sequence(path)]
        if kind in (SET, SET_RW):
            return self.elements(path, kind)
        if kind == COUNTER:
            return saturated(self.exact_sum(path))  # > shown saturated at int64
        if kind == MAX:
            return self.greatest(path)
        if kind == MIN:
            return self.least(path)
        if kind in (FLAG_EW, FLAG_DW):
            return self.flag(path, kind)[0].value
        if kind == LEADERBOARD:
            return self.board(path)
        if kind == HYPERLOGLOG:
            return estimate(self.ranks(path))
        if kind == MVREGISTER:
            return self.values(path)
        if kind == REGISTER:
            return self.writes(path)[0].value
        return {name: self.value(path + (name,)) for name in self.names(path)}

    def conflicts(self):
        """[(path, rule, what)]: `what` lists types, or the (clock, origin, seq, value) of the writes, winner first."""
        found = []
        for path in sorted({r.path[:n] for r in self.alive for n in range(1, len(r.path) + 1)}):
            types = sorted(self.types(path))
            if len(types) > 1:  # > the name is reported as a conflict (`type_precedence`, one value per type …
                found.append((path, "type_precedence", [TYPE_NAMES[t] for t in types]))
            for kind, rule in RULES.items():
                writes = self.flag(path, kind) if kind in (FLAG_EW, FLAG_DW) else self.writes(path, kind)
                same = kind in (FLAG_EW, FLAG_DW) and len({r.value for r in writes}) == 1
                if len(writes) > 1 and not same:  # > several alive = conflict; flags: that say different things
                    found.append((path, rule, [(r.clock, r.dot[0], r.dot[1], r.value) for r in writes]))
            found += self.rival_elements(path)
            for member in self.members(path):
                writes = self.score_writes(path, member)
                if len(writes) > 1:
                    found.append((path, "last_writer_wins", [(r.clock, r.dot[0], r.dot[1],
                                                              {"member": member, "to": r.value}) for r in writes]))
        return found

    def rival_elements(self, path):
        """> set_rw: an add and a remove of one element, neither superseded = conflict `remove_wins`"""
        found = []
        if SET_RW in self.types(path):
            rivals = self.rivals(path)
            for element in sorted({msgpack(r.value) for r in rivals}):
                here = sorted((r for r in rivals if msgpack(r.value) == element), key=lambda r: (-r.kind, r.dot))
                if {r.kind for r in here} == {SET_RW, REMOVE_RW}:
                    found.append((path, "remove_wins", [(0, r.dot[0], r.dot[1], r.value) for r in here]))
        return found


RULES = {REGISTER: "last_writer_wins", MVREGISTER: "all_kept", FLAG_EW: "enable_wins", FLAG_DW: "disable_wins"}


# ---- what an op becomes at its writer ------------------------------------------------------------------------------


class Writer(ListWriter):
    """Resolves the ops of one event. > Several ops in one event apply in order, each seeing the ones before."""

    def __init__(self, known, origin, seq, clock, first_index=0):
        self.origin, self.seq, self.clock, self.index = origin, seq, clock, first_index
        self.before = records_of(known)
        self.made = []
        self.view = View(self.before)

    def record(self, kind, path, value=None, takes=()):
        if len(path) > DEPTH_MAX:
            raise Refused("too_deep", path)
        record = Record(kind, (self.origin, self.seq, self.index), path, value, takes, self.clock)
        self.index += 1
        self.made.append(record)
        return record

    def commit(self):
        self.view = View(self.before + self.made)

    # Paths

    def walk(self, path):
        """> The last name of a path may be absent; so may earlier ones, which become maps.
        > A path that leads through a register, counter, set or max: `type_mismatch`, naming the prefix.
        > Through a name with several types, the path follows the map if there is one."""
        for length in range(1, len(path)):
            types = self.view.types(path[:length])
            if types and MAP not in types:
                raise Refused("type_mismatch", path[:length])

    def typed(self, path, *kinds):
        """The type that the op works on. > `increment`, `add` and the like use their type if it exists under the name,
        even if another is shown; of several the least; on an absent name the first. Other types: `type_mismatch`.
        > Any other op on the empty path: `type_mismatch`."""
        if path == ():
            raise Refused("type_mismatch")
        self.walk(path)
        types = self.view.types(path)
        fitting = sorted(types & set(kinds))
        if types and not fitting:
            raise Refused("type_mismatch", path)
        return fitting[0] if fitting else kinds[0]

    def refuse(self, code, path):
        raise Refused(code, path)

    # Ops

    def increment(self, path, by):
        if self.typed(path, COUNTER, BOUNDED) == BOUNDED:
            self.increment_bounded(path, by)
            return
        self.count(COUNTER, path, None, by, self.view.exact_sum(path), self.view.at(path, COUNTER))

    def count(self, kind, path, member, by, shown, alive):
        """An increment of what is `shown`, where the increments `alive` stand."""
        own = sorted((r for r in self.view.known.values()
                      if chain_of(r) == (kind, path, member) and r.dot[0] == self.origin), key=lambda r: r.dot)
        living = [r for r in alive if r.dot[0] == self.origin]
        # > If the origin's contribution is none (nothing alive of its own), it starts a new *frame*
        frame = own[-1].frame if living else ()
        # > An increment that would take the exact sum out of int64 (or further out, …; one that leads back is fine), or
        # > the origin's own total: `counter_overflow`
        after = shown + by
        leaves = (after > INT_MAX and by > 0) or (after < INT_MIN and by < 0)
        if leaves or not fits(sum(r.value for r in frame) + by):
            raise Refused("counter_overflow", path)
        in_frame = {r.dot for r in frame}
        record = self.record(kind, path, by, [r.dot for r in own if r.dot not in in_frame])
        record.member = member
        record.frame = frame + (record,)
        self.commit()

    def increment_bounded(self, path, by):
        """> a decrement spends rights that its writer holds; an increment makes rights, which its writer holds. Both
        > renew presence"""
        if by < 0 and self.view.rights_of(path, self.origin) < -by:
            raise Refused("insufficient_rights", path)
        if by > 0 and self.view.bound(path) + self.view.rights(path) + by > INT_MAX:
            raise Refused("counter_overflow", path)
        self.change_cell(BOUNDED, path, by, self.view.bound(path))

    def change_cell(self, kind, path, by, bound, target=None, creates=False):
        same = [r for r in self.view.told if r.path == path and r.kind == kind and r.dot[0] == self.origin
                and r.target == target and (r.value < 0) == (by < 0)]
        if sum(abs(r.value) for r in same) + abs(by) > INT_MAX:
            raise Refused("counter_overflow", path)
        seen = [r.dot for r in self.view.presence(path, BOUNDED)] if kind == BOUNDED else []
        record = self.record(kind, path, by, seen)
        record.presence, record.bound, record.target, record.creates = kind == BOUNDED, bound, target, creates
        record.cell = tuple(sorted(same, key=lambda r: r.dot)) + (record,)
        self.commit()

    def transfer(self, path, target, by):
        """> moves rights that its writer holds to another origin"""
        self.typed(path, BOUNDED)
        if BOUNDED not in self.view.types(path) or target == self.origin:
            raise Refused("type_mismatch" if BOUNDED not in self.view.types(path) else "invalid_argument", path)
        if self.view.rights_of(path, self.origin) < by:
            raise Refused("insufficient_rights", path)
        self.change_cell(TRANSFER, path, by, self.view.bound(path), target)

    def takeover(self, path, source, by):
        """> moves what an origin held that will never write again to its one heir"""
        self.typed(path, BOUNDED)
        if BOUNDED not in self.view.types(path) or source == self.origin:
            raise Refused("type_mismatch" if BOUNDED not in self.view.types(path) else "invalid_argument", path)
        if self.view.rights_of(path, source) < by:
            raise Refused("insufficient_rights", path)
        self.change_cell(TAKEOVER, path, by, self.view.bound(path), source)

    def create_bounded(self, path, bound, initial, there):
        """> the bound stays; where one was before, it may become less"""
        before = self.view.bound(path)
        if before is not None and (bound > before or (there and bound != before)):
            raise Refused("type_mismatch", path)
        if not there:
            self.change_cell(BOUNDED, path, initial - bound, bound, creates=True)

    def score_by(self, path, member, by):
        self.typed(path, LEADERBOARD)
        self.count(SCORE, path, member, by, self.view.score(path, member), self.view.score_steps(path, member))

    def score_to(self, path, member, to):
        """> a `to` supersedes the `to`s and cancels the increments of the member that it sees"""
        self.typed(path, LEADERBOARD)
        self.take_member(LEADERBOARD, path, member, to)

    def take_member(self, kind, path, member, value=None):
        writes, steps = self.view.score_writes(path, member), self.view.score_steps(path, member)
        takes, marks = self.cancel(steps)
        record = self.record(kind, path, value, {r.dot for r in writes} | takes)
        record.member, record.marks = member, marks
        self.commit()

    def cancel(self, increments):
        """> it cancels all increments of that origin up to the newest one seen"""
        takes, marks = set(), []
        for chain, origin in sorted({(chain_of(r), r.dot[0]) for r in increments}, key=repr):
            seen = [r for r in self.view.known.values() if chain_of(r) == chain and r.dot[0] == origin]
            takes |= {r.dot for r in seen}
            marks.append(max(seen, key=lambda r: r.dot))
        return takes, tuple(marks)

    def observe(self, path, value):
        """> an observation that raises its register supersedes the entries that it sees there; one that does not
        > changes nothing and leaves no trace"""
        self.typed(path, HYPERLOGLOG)
        register, rank = observation(value)
        if rank > self.view.ranks(path).get(register, 0):
            takes = [r.dot for r in self.view.at(path, HYPERLOGLOG) if observation(r.value)[0] == register]
            self.record(HYPERLOGLOG, path, value, takes)
            self.commit()

    def add(self, path, value):
        if self.typed(path, SET, SET_RW) == SET_RW:
            self.write_rw(SET_RW, path, value)
            return
        # > adds the element, superseding the adds of it that it sees
        self.record(SET, path, value, self.element_dots(path, value))
        self.commit()

    def write_rw(self, kind, path, value):
        # > set_rw: adds and removes supersede the adds and removes of the element that they see
        rivals = [r.dot for r in self.view.rivals(path) if msgpack(r.value) == msgpack(value)]
        self.record(kind, path, value, rivals)
        self.commit()

    def remove(self, path, value):
        kind = self.typed(path, SET, SET_RW, LEADERBOARD)
        if kind == SET_RW:
            self.write_rw(REMOVE_RW, path, value)
            return
        if kind == LEADERBOARD:
            if not isinstance(value, str):
                raise Refused("type_mismatch", path)
            if value in self.view.members(path):  # > takes away what of the member it sees; not in: nothing
                self.take_member(REMOVE_MEMBER, path, value, value)
            return
        dots = self.element_dots(path, value)
        if dots:  # > takes away the adds of the element that it sees; element absent: nothing
            self.record(REMOVE, path, value, dots)
            self.commit()

    def element_dots(self, path, value):
        return [r.dot for r in self.view.at(path, SET) if msgpack(r.value) == msgpack(value)]

    def max(self, path, by):
        self.typed(path, MAX)
        entries = self.view.at(path, MAX)
        if entries and by <= self.view.greatest(path):
            return  # > one that is not greater changes nothing and leaves no trace
        # > a number greater than the one shown supersedes all entries it sees
        self.record(MAX, path, by, [r.dot for r in entries])
        self.commit()

    def min(self, path, by):
        self.typed(path, MIN)
        entries = self.view.at(path, MIN)
        if not entries or by < self.view.least(path):  # > min: likewise, a number less
            self.record(MIN, path, by, [r.dot for r in entries])
            self.commit()

    def switch(self, path, on):
        """> `enable`, `disable`: supersede the enables and disables that they see"""
        kind = self.typed(path, FLAG_EW, FLAG_DW)
        self.record(kind, path, on, [r.dot for r in self.view.at(path, kind)])
        self.commit()

    def write_values(self, path, values):
        """> supersedes the writes it sees"""
        self.record(MVREGISTER, path, values, [r.dot for r in self.view.at(path, MVREGISTER)])
        self.commit()

    def create(self, path, name, bound=0, initial=None):
        """> a field of the type, there although it is empty; nothing if one is there already"""
        kind = TYPES[name]
        if path == ():
            raise Refused("type_mismatch")
        self.walk(path)
        types = self.view.types(path)
        if types and kind not in types:
            raise Refused("type_mismatch", path)
        if kind == BOUNDED:
            self.create_bounded(path, bound, bound if initial is None else initial, kind in types)
            return
        if kind in types:
            return
        if kind == MAP:
            self.make_map(path)
        elif kind == COUNTER:
            self.increment(path, 0)
        elif kind in (FLAG_EW, FLAG_DW):
            self.record(kind, path, False)
        elif kind == MVREGISTER:
            self.write_values(path, [])
        elif kind == REGISTER:
            self.record(REGISTER, path, None)
        else:
            self.record(kind, path).presence = True
        self.commit()

    def unset(self, path):
        """> takes away everything the writer sees at the name, of every type and below"""
        self.walk(path)
        seen = self.view.below(path)
        if not seen:
            return  # > nothing, no change
        for bounded in sorted({r.path for r in seen if r.kind == BOUNDED}):
            if self.view.rights(bounded) > 0:  # > an unset is refused as long as its writer sees rights
                raise Refused("rights_left", path)
        takes = {r.dot for r in seen}
        # > set_rw: adds and removes alike, hidden ones too
        takes |= {r.dot for r in self.view.kept if r.path[: len(path)] == path and r.kind in (SET_RW, REMOVE_RW)}
        cancelled, marks = self.cancel([r for r in seen if r.kind in (COUNTER, SCORE)])
        self.record(UNSET, path, None, takes | cancelled).marks = marks
        self.commit()

    def set(self, path, value, in_document=False):
        if path == () and not isinstance(value, dict):
            raise Refused("type_mismatch")
        self.walk(path)
        # > `set` goes by the type that is shown
        shown = self.view.shown(path)
        if isinstance(value, dict):
            self.set_object(path, value, shown)
        elif shown == LIST:
            self.set_list(path, value)
        elif shown == COUNTER:
            self.set_counter(path, value, self.view.exact_sum(path))
        elif shown == BOUNDED:
            self.set_counter(path, value, self.view.bound(path) + self.view.rights(path))
        elif shown in (SET, SET_RW):
            self.set_set(path, value, shown)
        elif shown in (MAX, MIN):
            self.set_extremum(path, value, shown)
        elif shown in (FLAG_EW, FLAG_DW):
            self.set_flag(path, value)
        elif shown == LEADERBOARD:
            self.set_board(path, value)
        elif shown == HYPERLOGLOG:
            if not is_int(value) or value != self.view.value(path):  # > the number shown: nothing
                raise Refused("type_mismatch", path)
        elif shown == MVREGISTER:
            self.set_values(path, value, in_document)
        else:
            if shown == MAP:  # > map: unset, then register
                self.unset(path)
            # > register: supersedes the writes it sees, adds its own
            self.record(REGISTER, path, value, [r.dot for r in self.view.at(path, REGISTER)])
            self.commit()

    def set_object(self, path, value, shown):
        if shown not in (None, MAP, REGISTER):
            raise Refused("type_mismatch", path)
        if shown == REGISTER:  # > register: unset, then map
            self.unset(path)
        # > a `set` of an object that creates the map (empty or not), and a `set` of `{}` to a map that has none
        if shown != MAP or (value == {} and not self.view.at(path, MAP)):
            self.make_map(path)
        # > members it has are set (recursively), then members it lacks are unset
        lacking = [name for name in self.view.names(path) if name not in value]
        for name in sorted(value, key=str.encode):
            self.set(path + (name,), value[name], in_document=True)
        for name in lacking:
            self.unset(path + (name,))

    def make_map(self, path):
        """Not a client op by itself: what `set` of an object, and a diff, use to leave presence."""
        self.record(MAP, path, None, [r.dot for r in self.view.at(path, MAP)])
        self.commit()

    def set_counter(self, path, value, now):
        if not is_int(value):
            raise Refused("type_mismatch", path)
        by = value - now  # > integer → increment by (value − exact sum), none if equal
        if not fits(by):
            raise Refused("counter_overflow", path)
        if by != 0:
            self.increment(path, by)

    def set_set(self, path, value, kind):
        if not isinstance(value, list) or not all(is_scalar(v) for v in value):
            raise Refused("type_mismatch", path)
        wanted = {msgpack(v) for v in value}
        # > array of scalars → remove what the array lacks, add what the set lacks
        for element in self.view.elements(path, kind):
            if msgpack(element) not in wanted:
                self.remove(path, element)
        for element in sorted(value, key=msgpack):
            if not self.has(path, element, kind):
                self.add(path, element)

    def set_board(self, path, value):
        """> an array of members and scores → `to` where the score is another, then remove the members that it lacks"""
        if not isinstance(value, list) or not all(is_row(row) for row in value):
            raise Refused("type_mismatch", path)
        wanted = {row["member"]: row["score"] for row in value}
        if len(wanted) < len(value):
            raise Refused("type_mismatch", path)
        before = self.view.members(path)
        for member in sorted(wanted, key=str.encode):
            if member not in before or self.view.score(path, member) != wanted[member]:
                self.score_to(path, member, wanted[member])
        for member in before:
            if member not in wanted:
                self.remove(path, member)

    def has(self, path, element, kind):
        return msgpack(element) in map(msgpack, self.view.elements(path, kind))

    def set_extremum(self, path, value, kind):
        shown = self.view.greatest(path) if kind == MAX else self.view.least(path)
        if shown is None and value is None:
            return
        if not is_number(value):
            raise Refused("type_mismatch", path)
        # > a greater one is a `max`, an equal one nothing, a smaller one unset then `max`; min: likewise
        if shown is not None and (value < shown if kind == MAX else value > shown):
            self.unset(path)
        (self.max if kind == MAX else self.min)(path, value)

    def set_flag(self, path, value):
        """> boolean → enable or disable, none if it is shown already"""
        if not isinstance(value, bool):
            raise Refused("type_mismatch", path)
        if value != self.view.value(path):
            self.switch(path, value)

    def set_values(self, path, value, in_document):
        """> mvregister: a write of that one value; as a member of an object, where it is what the mvregister shows: an
        > array, none if it has the values shown, else a write of all its values"""
        if not in_document:
            self.write_values(path, [value])
        elif not isinstance(value, list):
            raise Refused("type_mismatch", path)
        elif {msgpack(v) for v in value} != {msgpack(v) for v in self.view.values(path)}:
            self.write_values(path, value)

    def apply(self, op):
        path, kind = pointer(op["path"]), op["op"]
        if kind == "unset":
            self.unset(path)
        elif kind == "make_map":
            self.walk(path)
            self.make_map(path)
        elif kind == "write":  # likewise: a document's array for an mvregister
            self.typed(path, MVREGISTER)
            self.write_values(path, op["value"])
        elif kind in ("enable", "disable"):
            self.switch(path, kind == "enable")
        elif kind == "create":
            self.create(path, op["type"], *[op[member] for member in ("bound", "initial") if member in op])
        elif kind == "transfer":
            self.transfer(path, bytes.fromhex(op["to"]), op["by"])
        elif kind == "takeover":
            self.takeover(path, bytes.fromhex(op["from"]), op["by"])
        elif kind == "score":
            if "to" in op:
                self.score_to(path, op["member"], op["to"])
            else:
                self.score_by(path, op["member"], op["by"])
        elif kind == "insert":
            self.insert(path, op["index"], op["values"] if "values" in op else [op["value"]])
        elif kind == "delete":
            self.delete(path, op["index"], op.get("count", 1))
        else:
            getattr(self, kind)(path, op["by"] if kind in ("increment", "max", "min") else op["value"])


def check_arguments(op):
    """> Arguments (paths, kinds of values) are checked for all of them first."""
    kind, path = op["op"], pointer(op["path"])
    if (
        (kind == "increment" and not is_int(op["by"]))  # > `increment by` wants an integer
        or (kind in ("max", "min") and not is_number(op["by"]))  # > `max by` a finite number
        or (kind == "observe" and isinstance(op["value"], dict))
        or (kind in ("add", "remove") and not is_scalar(op["value"]))  # > Set elements: … scalars
        or (kind == "score" and not is_int(op.get("to", op.get("by"))))
    ):
        raise Refused("type_mismatch", path)


def write(known, origin, seq, clock, ops, first_index=0):
    """The event that these ops become at a writer that knows the events `known`, or Refused. An event without records
    is no event: nothing changed."""
    writer = Writer(known, origin, seq, clock, first_index)
    for op in ops:
        check_arguments(op)
    for op in ops:
        writer.apply(op)  # > all or none: a refusal leaves nothing behind
    return Event(origin, seq, clock, ops, {event.id for event in known}, writer.made)


def document(events):
    return View(records_of(events)).value()


def conflicts(events):
    return View(records_of(events)).conflicts()


def exists(events):
    return bool(View(records_of(events)).alive)


def mixes_frames(events):
    """True where SEMANTICS.md lets a counter show a passing wrong sum: some increment is known, but an earlier one of
    the same origin and counter is not, out of order."""
    dots = {r.dot for r in records_of(events)}
    newest = {}
    for record in records_of(events):
        if record.kind in (COUNTER, SCORE):
            key = (chain_of(record), record.dot[0])
            newest[key] = max(newest.get(key, record), record, key=lambda r: r.dot)
    return any(earlier.dot not in dots for record in newest.values() for earlier in record.frame)
