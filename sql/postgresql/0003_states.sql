-- States of aggregates that were kept, so that neither a start nor a look at the past begins at the first event. Written
-- behind, a keep is one transaction (node/core/keep.h); whatever is missing here is rebuilt from delta_log.

CREATE TABLE aggregate_states (
    type text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,    -- it has all of the aggregate's events up to this record, and no other
    updated bigint NOT NULL,     -- the greatest hybrid clock among them
    hash bytea NOT NULL,         -- BLAKE2b-128 of all other columns (node/store/kept_hash.c)
    state bytea NOT NULL,        -- crdt/FORMAT.md, full encoding
    PRIMARY KEY (type, id, version)
);

-- What a start needs beside the states: heads of origins and the like, and from where the log is replayed. One row.
CREATE TABLE checkpoints (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    low bigint NOT NULL,         -- every aggregate's newest state has all of its events up to this position
    position bigint NOT NULL,    -- the core was here
    hash bytea NOT NULL,
    core bytea NOT NULL          -- node/core/checkpoint.h
);

-- What is remembered of events one by one: idempotency keys (journal 0), conflicts (1).
CREATE TABLE kept_entries (
    journal bigint NOT NULL,
    last bigint NOT NULL,        -- entries are numbered 1, 2, 3 …: this row has first … last
    first bigint NOT NULL,
    hash bytea NOT NULL,
    entries bytea NOT NULL,      -- node/core/checkpoint.c
    PRIMARY KEY (journal, last)
);
