-- The log: the encoded records that this region applied, in the order in which it applied them (node/store/store.h).
-- A commit adds one row a record. Everything else in this schema can be made again from it.
CREATE TABLE delta_log (
    position bigint PRIMARY KEY,  -- 1, 2, 3 … without gaps
    origin bytea NOT NULL CHECK (length(origin) = 16),
    first_seq bigint NOT NULL,    -- of the batch's first event
    last_seq bigint NOT NULL,     -- of the batch's last event
    epoch bigint NOT NULL,        -- the lease under which it was written
    stored_at timestamptz NOT NULL DEFAULT now(),
    checksum bytea NOT NULL,      -- BLAKE2b-128 of position, origin, seqs and record (node/store/log_row.c)
    record bytea NOT NULL         -- gossip/FORMAT.md, "Record"
);
-- Signed bytes do not compress well, and a slice of them should not cost the whole.
ALTER TABLE delta_log ALTER COLUMN record SET STORAGE EXTERNAL;

-- Answers "the first record of this origin that ends after …" without touching the table.
CREATE UNIQUE INDEX delta_log_by_origin ON delta_log (origin, last_seq) INCLUDE (position);

-- Who may write: one node at a time. Its session holds an advisory lock; each start and each reconnection raises the
-- epoch, and a commit that carries an older one writes nothing.
CREATE TABLE lease (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch bigint NOT NULL,
    holder text NOT NULL,         -- "process 4711 on host eu1"
    since timestamptz NOT NULL
);
INSERT INTO lease (epoch, holder, since) VALUES (0, 'nobody', now());
