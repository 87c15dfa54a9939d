-- Where the log begins (node/store/base.h): up to this position records of delta_log may be gone. One row, or none while
-- the log is whole.
CREATE TABLE log_base (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL,
    hash bytea NOT NULL,         -- BLAKE2b-128 of all other columns
    base bytea NOT NULL          -- node/store/base.h
);
