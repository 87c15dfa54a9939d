"""Canonical msgpack and crdt/FORMAT.md, written by hand from the documents; shares nothing with the C library.

Origins are 16-byte strings here. `delta` and `state` compute the bytes from the model's records."""

import hashlib
import struct


def head(count, fix, fix_max, codes):
    """A length: the fix form up to fix_max, else the shortest of `codes` [(code, size)]."""
    if fix is not None and count <= fix_max:
        return bytes([fix | count])
    for code, size in codes:
        if count < 1 << (8 * size):
            return bytes([code]) + count.to_bytes(size, "big")
    raise OverflowError


def integer(value):
    if value >= 0:
        return head(value, 0x00, 0x7F, [(0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)])
    if value >= -32:
        return struct.pack("b", value)
    for code, size in [(0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)]:
        if value >= -(1 << (8 * size - 1)):
            return bytes([code]) + value.to_bytes(size, "big", signed=True)
    raise OverflowError


def msgpack(value):
    """> integers and lengths take the fewest bytes; floats are float64, finite, and never -0.0; keys are sorted"""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value + 0.0)
    if isinstance(value, str):
        data = value.encode()
        return head(len(data), 0xA0, 31, [(0xD9, 1), (0xDA, 2), (0xDB, 4)]) + data
    if isinstance(value, bytes):
        return head(len(value), None, 0, [(0xC4, 1), (0xC5, 2), (0xC6, 4)]) + value
    if isinstance(value, (list, tuple)):
        return head(len(value), 0x90, 15, [(0xDC, 2), (0xDD, 4)]) + b"".join(map(msgpack, value))
    if isinstance(value, dict):
        items = sorted((key.encode(), key) for key in value)
        body = b"".join(msgpack(key) + msgpack(value[key]) for _, key in items)
        return head(len(value), 0x80, 15, [(0xDE, 2), (0xDF, 4)]) + body
    if isinstance(value, Raw):
        return value.data
    raise TypeError(value)


class Raw:
    """Bytes that are msgpack already."""

    def __init__(self, data):
        self.data = data


MAP, SET, SET_RW, COUNTER, MAX, MIN, FLAG_EW, FLAG_DW, MVREGISTER, REGISTER = 1, 3, 4, 6, 8, 9, 10, 11, 13, 14
LIST, BOUNDED, LEADERBOARD, HYPERLOGLOG = 2, 5, 7, 12
UNSET, REMOVE, REMOVE_RW, SCORE, REMOVE_MEMBER, TRANSFER, DELETE, TAKEOVER = 101, 102, 103, 104, 105, 106, 107, 108
KINDS = {REGISTER: 0, UNSET: 1, COUNTER: 2, SET: 3, REMOVE: 4, MAX: 5, MIN: 6, MAP: 7, MVREGISTER: 9, SET_RW: 14,
         REMOVE_RW: 15, LEADERBOARD: 21, SCORE: 22, REMOVE_MEMBER: 23, HYPERLOGLOG: 24, BOUNDED: 17, TRANSFER: 18,
         LIST: 19, DELETE: 20, TAKEOVER: 25}
GRANT = 16
CREATE, FLAG_KINDS = 8, {(FLAG_EW, True): 10, (FLAG_EW, False): 11, (FLAG_DW, True): 12, (FLAG_DW, False): 13}


class Delta:
    """> delta := [previous, changes]; origin number 0 is the delta's own, others are numbered as they are met"""

    def __init__(self, event, known):
        self.table = [event.origin]
        self.dots_known = {r.dot: r for other in known for r in other.records}
        self.dots_known.update({r.dot: r for r in event.records})
        previous = max([other.seq for other in known if other.origin == event.origin], default=0)
        self.bytes = msgpack([previous, [self.change(r) for r in event.records if not r.follows]])

    def number(self, origin):
        if origin not in self.table:
            self.table.append(origin)
        return self.table.index(origin)

    def dots(self, dots):
        return [n for o, seq, index in sorted(dots) for n in (self.number(o), seq, index)]

    def change(self, record):
        where = [record.dot[2], list(record.path)]
        if record.kind in (BOUNDED, TRANSFER, TAKEOVER):
            return self.rights_change(record, where)
        if record.presence:
            return [CREATE] + where + [self.dots(record.takes), record.kind]
        if record.kind in (FLAG_EW, FLAG_DW):
            return [FLAG_KINDS[record.kind, record.value]] + where + [self.dots(record.takes)]
        start = [KINDS[record.kind]] + where
        if record.kind in (COUNTER, SCORE):
            before = [sum(r.value for r in record.frame[:-1])] if len(record.frame) > 1 else []
            return start + ([record.member] if record.kind == SCORE else []) + [record.value] + before
        if record.kind in (LEADERBOARD, REMOVE_MEMBER):
            dots = self.dots([r.dot for r in self.taken(record) if r.kind == LEADERBOARD])
            value = [record.value] if record.kind == LEADERBOARD else []
            return start + [dots, record.member, self.marks(record.marks)] + value
        if record.kind == UNSET:
            taken = [r for r in self.taken(record) if r.kind not in (COUNTER, SCORE)] + list(record.marks)
            return start + [self.nodes(taken, record.path)]
        if record.kind in (MAP, DELETE):
            return start + [self.dots(record.takes)]
        if record.kind == LIST:
            return start + [[r.value for r in record.run], self.anchor(record.anchor)]
        return start + [self.dots(record.takes), record.value]

    def taken(self, record):
        return [self.dots_known[dot] for dot in record.takes]

    def marks(self, records):
        """> marks := [origin, seq, index, total, …]"""
        rows = ((self.number(r.dot[0]), r.dot[1], r.dot[2], sum(f.value for f in r.frame))
                for r in sorted(records, key=lambda r: r.dot))
        return [n for row in rows for n in row]

    def rights_change(self, record, where):
        """> grant [16, …, dots, bound, by, before]; increment [17, …]: likewise;
        > transfer [18, …, bound, origin, by, before]; takeover [25, …]: likewise"""
        before = sum(abs(r.value) for r in record.cell[:-1])
        if record.kind in (TRANSFER, TAKEOVER):
            return [KINDS[record.kind]] + where + [record.bound, self.number(record.target), record.value, before]
        kind = GRANT if record.creates else KINDS[BOUNDED]
        return [kind] + where + [self.dots(record.takes), record.bound, record.value, before]

    def anchor(self, anchor):
        """> [] or [side, origin, seq, index]"""
        return [anchor[0], self.number(anchor[1][0]), anchor[1][1], anchor[1][2]] if anchor else []

    def nodes(self, records, path):
        """> node := [type, payload] at the top, [name, type, payload] below; and dots: presence"""
        out = []
        for kind in sorted({type_of(r) if r.path == path else MAP for r in records}):
            here = [r for r in records if r.path == path and type_of(r) == kind]
            held = [r for r in here if not r.presence]
            node = [kind, self.payload(kind, held, records, path)]  # first: origins are numbered as they are met
            out.append(node + ([self.dots([r.dot for r in here if r.presence])] if len(held) < len(here) else []))
        return out

    def payload(self, kind, here, records, path):
        if kind == COUNTER:
            return self.marks(here)
        if kind == LEADERBOARD:
            return [[], [[member, lies, self.marks(held) if lies == COUNTER else self.dots([r.dot for r in held])]
                         for member, lies, held in members(here)]]
        dots = self.dots([r.dot for r in here])
        if kind != MAP:
            return dots
        children = []
        for name in sorted({r.path[len(path)] for r in records if len(r.path) > len(path)}, key=str.encode):
            inside = [r for r in records if r.path[: len(path) + 1] == path + (name,)]
            children += [[name] + node for node in self.nodes(inside, path + (name,))]
        return [dots, children]


def type_of(record):
    return {REMOVE_RW: SET_RW, SCORE: LEADERBOARD, TRANSFER: BOUNDED, TAKEOVER: BOUNDED}.get(record.kind, record.kind)


def observation(value):
    """> the first 11 bits of the hash are the register; the zeros that follow, plus one, the rank; [register,
    > rank]: what an inverse writes"""
    if isinstance(value, list):
        return tuple(value)
    bits = "{:064b}".format(int.from_bytes(hashlib.blake2b(msgpack(value), digest_size=16).digest()[:8], "big"))
    return int(bits[:11], 2), (bits[11:] + "1").index("1") + 1


def members(records):
    """The fields of a leaderboard, (member, type, records): a counter of increments, and a register of `to`s."""
    for member in sorted({r.member for r in records}, key=str.encode):
        for kind, lies in ((SCORE, COUNTER), (LEADERBOARD, REGISTER)):
            held = [r for r in records if r.member == member and r.kind == kind]
            if held:
                yield member, lies, held


def just_before(dot):
    """The point just before a dot's: (seq, index − 1), or the last one of the event before."""
    _, seq, index = dot
    return (seq, index - 1) if index > 0 else (seq - 1, 0xFFFFFFFF)


class State:
    """> state := [version, origins, context, root]; 2: the canonical form, 3: the full one. Only for sets of events
    that are closed under causality: there the context is one number an origin."""

    def __init__(self, view, events):
        self.view, self.records = view, [r for event in events for r in event.records]
        self.last_seq = {}
        for event in events:
            self.last_seq[event.origin] = max(event.seq, self.last_seq.get(event.origin, 0))

    def canonical(self):
        self.fields = self.fields_of(self.view.alive)
        self.is_full = False
        return self.whole(2)

    def whole(self, version):
        """> origins: exactly those used, also as the targets of transfers"""
        given = {r.target for r in self.view.told if r.target is not None and (r.path, BOUNDED) in self.fields}
        self.origins = sorted(set(self.last_seq) | given)
        context = [n for i, o in enumerate(self.origins) if o in self.last_seq for n in (i, self.last_seq[o])]
        return msgpack([version, self.origins, context, self.map_payload(())])

    def full(self):
        """Bookkeeping too: > cancelled marks of counters; hidden adds and removes of remove-wins sets"""
        kinds = (COUNTER, SCORE, BOUNDED, TRANSFER, TAKEOVER, LIST)
        self.fields = self.fields_of(self.view.kept + [r for r in self.records if r.kind in kinds])
        self.is_full = True
        return self.whole(3)

    @staticmethod
    def fields_of(records):
        """All (path, type) that hold one of the records."""
        found = set()
        for r in records:
            found |= {(r.path[:n], MAP) for n in range(1, len(r.path))} | ({(r.path, type_of(r))} if r.path else set())
        return found

    def triple(self, dot):
        return [self.origins.index(dot[0]), dot[1], dot[2]]

    def dots(self, records):
        return [n for r in sorted(records, key=lambda r: r.dot) for n in self.triple(r.dot)]

    def map_payload(self, path):
        fields = []
        below = [(p, kind) for p, kind in self.fields if len(p) == len(path) + 1 and p[:-1] == path]
        for p, kind in sorted(below, key=lambda f: (f[0][-1].encode(), f[1])):
            presence = [] if kind == MAP else self.dots(self.view.presence(p, kind))
            fields.append([p[-1], kind, self.payload(p, kind)] + ([presence] if presence else []))
        return [self.dots(self.view.at(path, MAP)), fields]

    def payload(self, path, kind):
        here = sorted(self.view.at(path, kind), key=lambda r: r.dot)
        if kind == LEADERBOARD:
            return self.board(path, here)
        if kind == HYPERLOGLOG:
            rows = sorted((observation(r.value), r.dot) for r in here)
            return [n for (register, rank), dot in sorted(rows, key=lambda row: (row[0][0], row[1]))
                    for n in [register, rank] + self.triple(dot)]
        if kind == MAP:
            return self.map_payload(path)
        if kind == BOUNDED:
            return self.rights_payload(path)
        if kind == COUNTER:
            chains = [r for r in self.records if r.kind == COUNTER and r.path == path] if self.is_full else here
            return self.tallies(chains)
            return [self.mark(path, o) for o in self.origins if any(r.dot[0] == o for r in chains)]
        if kind == LIST and self.is_full:
            return self.runs(self.view.elements_known(path), True)
        if kind == LIST:
            return [self.runs(self.view.sequence(path), False), []]
        if kind == SET_RW and self.is_full:
            kept = self.view.rivals(path)
            return [self.elements([r for r in kept if r.kind == k]) for k in (SET_RW, REMOVE_RW)]
        if kind in (SET, SET_RW):
            return self.elements(here)
        return self.entries(here, kind not in (MAX, MIN))

    def entries(self, records, clocks=True):
        return [self.triple(r.dot) + [r.clock if clocks else 0, r.value] for r in records]

    def board(self, path, here):
        """> leaderboard: map-payload whose fields are the members' registers and counters"""
        steps = [r for r in self.records if r.kind == SCORE and r.path == path] if self.is_full else \
            self.view.at(path, SCORE)
        return [[], [[member, lies, self.tallies(held) if lies == COUNTER else self.entries(held)]
                     for member, lies, held in members(here + steps)]]

    def tallies(self, records):
        return [self.mark([r for r in records if r.dot[0] == o][0]) for o in self.origins
                if any(r.dot[0] == o for r in records)]

    def rights_payload(self, path):
        """> [bound, [from, to, total, …], [origin, total, …]], and [heir, of, total, …] if there is any"""
        made, spent, taken = {}, {}, {}
        for r in [r for r in self.view.told if r.path == path and r.value != 0]:
            own = r.dot[0]
            key = (own, r.target if r.kind in (TRANSFER, TAKEOVER) else own)
            cells = taken if r.kind == TAKEOVER else spent if r.value < 0 else made
            cells[key] = cells.get(key, 0) + abs(r.value)
        number = self.origins.index
        inherited = [n for a, b in sorted(taken) for n in (number(a), number(b), taken[a, b])]
        return [self.view.bound(path), [n for a, b in sorted(made) for n in (number(a), number(b), made[a, b])],
                [n for a, b in sorted(spent) for n in (number(a), spent[a, b])]] + ([inherited] if inherited else [])

    def runs(self, elements, is_full):
        """> runs as long as they can be: dots that go on by index, or by seq; full: each a right child of the one
        > before, all alive or all deleted"""
        runs = []
        for r in elements:
            last = runs[-1][-1] if runs else None
            step = self.step(last, r) if last else None
            chain = not is_full or (last and r.anchor == (1, last.dot) and self.lives(last) == self.lives(r))
            if step is not None and chain and (len(runs[-1]) == 1 or self.step(*runs[-1][:2]) == step):
                runs[-1].append(r)
            else:
                runs.append([r])
        out = []
        for run in runs:
            content = [r.value for r in run] if self.lives(run[0]) else len(run)
            out += self.triple(run[0].dot) + [self.step(*run[:2]) if len(run) > 1 else 0, content]
            if is_full:
                anchor = run[0].anchor
                out.append([anchor[0]] + self.triple(anchor[1]) if anchor else [])
        return out

    def lives(self, record):
        return record in self.view.alive

    @staticmethod
    def step(a, b):
        (o, seq, index), following = a.dot, b.dot
        return {(o, seq, index + 1): 0, (o, seq + 1, index): 1}.get(following)

    def elements(self, records):
        values = sorted({msgpack(r.value) for r in records})
        return [x for v in values for x in (Raw(v), self.dots([r for r in records if msgpack(r.value) == v]))]

    def mark(self, one):
        """> [origin, last.seq, last.index, last.total, reset.seq, reset.index, reset.total], of the chain of `one`"""
        def is_of_chain(r):
            return (r.kind, r.path, r.member, r.dot[0]) == (one.kind, one.path, one.member, one.dot[0])

        last = max(filter(is_of_chain, self.records), key=lambda r: r.dot)
        resets = [just_before(last.frame[0].dot) + (0,)]
        for record in self.records:
            resets += [m.dot[1:] + (sum(f.value for f in m.frame),) for m in record.marks if is_of_chain(m)]
        total = sum(r.value for r in last.frame)
        return [self.origins.index(one.dot[0]), last.dot[1], last.dot[2], total, *max(resets)]
