-- States of aggregates that were kept, so that neither a start nor a look at the past begins at the first event. Written
-- behind; whatever is missing here is rebuilt from delta_log.

CREATE TABLE aggregate_states (
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,   -- it has all of the aggregate's events up to this record, and no other
    updated INTEGER NOT NULL,    -- the greatest clock among them
    hash BLOB NOT NULL,          -- BLAKE2b-128 of all other columns (node/store/sqlite_state.c)
    state BLOB NOT NULL,         -- crdt/FORMAT.md, full encoding
    PRIMARY KEY (type, id, version)
) STRICT, WITHOUT ROWID;

-- What a start needs beside the states: heads of origins and the like, and from where the log is replayed. One row.
CREATE TABLE checkpoints (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    low INTEGER NOT NULL,        -- every aggregate's newest state has all of its events up to this position
    position INTEGER NOT NULL,   -- the core was here
    hash BLOB NOT NULL,          -- BLAKE2b-128 of all other columns
    core BLOB NOT NULL           -- node/core/checkpoint.h
) STRICT;
