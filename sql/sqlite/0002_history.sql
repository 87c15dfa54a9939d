-- The index from aggregates to their events: a projection of delta_log, written behind in bulk (node/store/sqlite_project.c)
-- and rebuildable from it. It covers the records up to max(event_versions.position).

CREATE TABLE origins (
    number INTEGER PRIMARY KEY,  -- 1, 2, 3 …
    origin BLOB NOT NULL UNIQUE  -- 16 bytes
) STRICT;

CREATE TABLE aggregates (
    number INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,    -- of its last indexed event
    vector BLOB NOT NULL,        -- its vector clock then (node/store/version_list.h)
    UNIQUE (type, id)
) STRICT;

-- Which event made an aggregate's version: number `event` of the record at `position`.
CREATE TABLE aggregate_events (
    aggregate INTEGER NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    event INTEGER NOT NULL,
    clock INTEGER NOT NULL,      -- hybrid clock of the event, so that a search by time reads no records
    PRIMARY KEY (aggregate, version)
) STRICT, WITHOUT ROWID;

-- What the events of a record made of the aggregates that they changed: versions and vector clocks, in order.
CREATE TABLE event_versions (
    position INTEGER PRIMARY KEY,
    list BLOB NOT NULL           -- node/store/version_list.h
) STRICT;
