-- Where the log begins (node/store/base.h): up to this position records of delta_log may be gone. One row, or none while
-- the log is whole.
CREATE TABLE log_base (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    position INTEGER NOT NULL,
    hash BLOB NOT NULL,          -- BLAKE2b-128 of all other columns
    base BLOB NOT NULL           -- node/store/base.h
) STRICT;
