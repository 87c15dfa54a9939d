-- What is remembered of events one by one, so that a start need not replay for it: idempotency keys (0), conflicts (1).
CREATE TABLE kept_entries (
    journal INTEGER NOT NULL,
    last INTEGER NOT NULL,       -- entries are numbered 1, 2, 3 …: this row has first … last
    first INTEGER NOT NULL,
    hash BLOB NOT NULL,          -- BLAKE2b-128 of all other columns
    entries BLOB NOT NULL,       -- node/core/checkpoint.c
    PRIMARY KEY (journal, last)
) STRICT, WITHOUT ROWID;
