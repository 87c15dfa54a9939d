-- The log: the encoded records that this region applied, in the order in which it applied them (node/store/store.h).
-- The record comes last, so that reading the numbers of a row does not touch the pages that a large record overflows to.
CREATE TABLE delta_log (
    position INTEGER PRIMARY KEY, -- 1, 2, 3 … without gaps
    origin BLOB NOT NULL,         -- 16 bytes
    first_seq INTEGER NOT NULL,   -- of the batch's first event
    last_seq INTEGER NOT NULL,    -- of the batch's last event
    checksum BLOB NOT NULL,       -- BLAKE2b-128 of all other columns (node/store/sqlite_row.c)
    record BLOB NOT NULL          -- gossip/FORMAT.md, "Record"
) STRICT;

-- Answers "the first record of this origin that ends after …" without touching the table: it ends with the position.
CREATE UNIQUE INDEX delta_log_by_origin ON delta_log (origin, last_seq);
