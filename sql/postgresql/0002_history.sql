-- What people and history readers ask: every event by aggregate, type, actor and time. All of it is a projection of
-- delta_log, written behind in bulk (node/store/postgres_project.c) and made again from it: see "Rebuilding" in
-- sql/README.md.

-- How far it reaches. One row.
CREATE TABLE projection (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL,        -- of the last record of delta_log that is in it
    written_at timestamptz NOT NULL
);
INSERT INTO projection (position, written_at) VALUES (0, now());

-- Lives of regions' identities, by a number that vectors and events use.
CREATE TABLE origins (
    number integer PRIMARY KEY,      -- 1, 2, 3 … without gaps
    origin bytea NOT NULL UNIQUE     -- 16 bytes: gossip/FORMAT.md, "Identity"
);

CREATE TABLE aggregates (
    number bigint PRIMARY KEY,
    type text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,         -- of its last event: how many there are
    vector bytea NOT NULL,           -- its vector clock then (node/store/version_list.h)
    UNIQUE (type, id)
) WITH (fillfactor = 80);

-- Every event, a row for each aggregate that it changed. A partition holds a month of event time; they are made as they
-- are needed, and dropping one is how old events are forgotten here (delta_log keeps its own).
CREATE TABLE event_store (
    at timestamptz NOT NULL,         -- the event's time, of its origin's hybrid clock
    position bigint NOT NULL,        -- of its record in delta_log
    event integer NOT NULL,          -- its number in the record, from 0
    change integer NOT NULL,         -- number of the aggregate among those that it changed, from 0
    origin integer NOT NULL,         -- origins.number
    seq bigint NOT NULL,             -- the origin's number for the event
    aggregate bigint NOT NULL,       -- aggregates.number
    aggregate_type text COLLATE "C" NOT NULL,
    aggregate_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,         -- of the aggregate, after the event, in this region
    event_type text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    clock bigint NOT NULL,           -- hybrid clock: 48 bits of milliseconds, 16 of counter
    vector bigint[] NOT NULL,        -- the aggregate's clock after it: vector[origins.number] = last seq, 0 for none
    ops jsonb NOT NULL,
    data jsonb,                      -- NULL: there is none, or it was erased
    metadata jsonb
) PARTITION BY RANGE (at);

CREATE INDEX event_store_by_aggregate ON event_store (aggregate, version) INCLUDE (position, event, clock);
CREATE INDEX event_store_by_actor ON event_store (actor, at);
CREATE INDEX event_store_by_type ON event_store (event_type, at);
CREATE INDEX event_store_by_position ON event_store USING brin (position);

-- What the events of a record made of the aggregates that they changed: versions and vector clocks, in order.
CREATE TABLE event_versions (
    position bigint PRIMARY KEY,
    list bytea NOT NULL              -- node/store/version_list.h
);
