/* What the log has decided about the end of origins, kept beside it.
 *
 *   closings := [[proposal, …], [closed, …], [retired, …]]
 *   proposal := [of, by, seq, clock, [by, seq, …]]      closed := [of, by, seq, final]      retired := [key, heir, by,
 * seq]
 */
#include "node/core/core_impl.h"

enum { DECISIONS_MAX = 1 << 20 };

static void write_origin(const gs_origin *origin, struct gs_buffer *out) {
    gs_write_bin(out, origin->bytes, GS_ORIGIN_SIZE);
}

void gs_closing_write(const struct gs_closings *closings, struct gs_buffer *out) {
    gs_write_array(out, 3);
    gs_write_array(out, closings->proposal_count);
    for (uint32_t i = 0; i < closings->proposal_count; i++) {
        const struct gs_proposal *proposal = &closings->proposals[i];
        gs_write_array(out, 5);
        write_origin(&proposal->of, out);
        write_origin(&proposal->by, out);
        gs_write_uint(out, proposal->seq);
        gs_write_uint(out, proposal->clock);
        gs_write_array(out, 2 * proposal->vote_count);
        for (uint32_t j = 0; j < proposal->vote_count; j++) {
            write_origin(&proposal->votes[j].by, out);
            gs_write_uint(out, proposal->votes[j].seq);
        }
    }
    gs_write_array(out, closings->closed_count);
    for (uint32_t i = 0; i < closings->closed_count; i++) {
        gs_write_array(out, 4);
        write_origin(&closings->closed[i].of, out);
        write_origin(&closings->closed[i].by, out);
        gs_write_uint(out, closings->closed[i].seq);
        gs_write_uint(out, closings->closed[i].final);
    }
    gs_write_array(out, closings->retired_count);
    for (uint32_t i = 0; i < closings->retired_count; i++) {
        gs_write_array(out, 4);
        gs_write_bin(out, closings->retired[i].key.bytes, sizeof closings->retired[i].key.bytes);
        gs_write_bin(out, closings->retired[i].heir.bytes, sizeof closings->retired[i].heir.bytes);
        write_origin(&closings->retired[i].by, out);
        gs_write_uint(out, closings->retired[i].seq);
    }
}

static void read_origin(struct gs_reader *reader, gs_origin *ret_origin) {
    gs_read_bin_exact(reader, ret_origin->bytes, GS_ORIGIN_SIZE);
}

static int read_votes(struct gs_reader *reader, struct gs_proposal *proposal) {
    for (uint32_t left = gs_read_array(reader, 2 * DECISIONS_MAX); left >= 2 && reader->error == 0; left -= 2) {
        if (gs_array_reserve((void **)&proposal->votes, &proposal->vote_capacity, proposal->vote_count,
                             sizeof *proposal->votes) != 0) {
            return GS_ENOMEM;
        }
        struct gs_vote *vote = &proposal->votes[proposal->vote_count++];
        read_origin(reader, &vote->by);
        vote->seq = gs_read_uint(reader);
    }
    return reader->error;
}

static int read_proposals(struct gs_reader *reader, struct gs_closings *closings) {
    int error = 0;
    for (uint32_t left = gs_read_array(reader, DECISIONS_MAX); left > 0 && error == 0; left--) {
        if (gs_array_reserve((void **)&closings->proposals, &closings->proposal_capacity, closings->proposal_count,
                             sizeof *closings->proposals) != 0) {
            return GS_ENOMEM;
        }
        struct gs_proposal *proposal = &closings->proposals[closings->proposal_count++];
        *proposal = (struct gs_proposal){0};
        gs_read_array_exact(reader, 5);
        read_origin(reader, &proposal->of);
        read_origin(reader, &proposal->by);
        proposal->seq = gs_read_uint(reader);
        proposal->clock = gs_read_uint(reader);
        error = read_votes(reader, proposal);
    }
    return error;
}

static int read_closed(struct gs_reader *reader, struct gs_closings *closings) {
    for (uint32_t left = gs_read_array(reader, DECISIONS_MAX); left > 0 && reader->error == 0; left--) {
        if (gs_array_reserve((void **)&closings->closed, &closings->closed_capacity, closings->closed_count,
                             sizeof *closings->closed) != 0) {
            return GS_ENOMEM;
        }
        struct gs_closed *closed = &closings->closed[closings->closed_count++];
        gs_read_array_exact(reader, 4);
        read_origin(reader, &closed->of);
        read_origin(reader, &closed->by);
        closed->seq = gs_read_uint(reader);
        closed->final = gs_read_uint(reader);
    }
    return reader->error;
}

int gs_closing_read(struct gs_reader *reader, struct gs_closings *closings) {
    gs_read_array_exact(reader, 3);
    int error = reader->error != 0 ? reader->error : read_proposals(reader, closings);
    error = error != 0 ? error : read_closed(reader, closings);
    for (uint32_t left = error == 0 ? gs_read_array(reader, DECISIONS_MAX) : 0; left > 0 && reader->error == 0;
         left--) {
        if (gs_array_reserve((void **)&closings->retired, &closings->retired_capacity, closings->retired_count,
                             sizeof *closings->retired) != 0) {
            return GS_ENOMEM;
        }
        struct gs_retired *retired = &closings->retired[closings->retired_count++];
        gs_read_array_exact(reader, 4);
        gs_read_bin_exact(reader, retired->key.bytes, sizeof retired->key.bytes);
        gs_read_bin_exact(reader, retired->heir.bytes, sizeof retired->heir.bytes);
        read_origin(reader, &retired->by);
        retired->seq = gs_read_uint(reader);
    }
    return error != 0 ? error : reader->error;
}
