/* What is special about bounded counters when ops are resolved: they come only with a bound, and what exceeds the
 * rights that their writer holds is refused with the numbers. */
#include "crdt/bounded_counter.h"
#include "crdt/number.h"
#include "crdt/preparing.h"

#include <inttypes.h>
#include <stdio.h>

int gs_preparing_check_transfer(struct gs_preparing *preparing, const struct gs_op *op) {
    int64_t by = 0;
    if (!gs_integer_read(op->value, &by)) {
        return gs_preparing_fail(preparing, GS_ETYPE, "/by", &op->path, "takes transfers of an integer");
    }
    if (by <= 0) {
        return gs_preparing_fail(preparing, GS_EINVAL, "/by", &op->path, "takes transfers of one right or more");
    }
    return op->has_target ? 0
                          : gs_preparing_fail(preparing, GS_EINVAL, "/to", &op->path,
                                              "cannot give rights to an origin that nobody knows");
}

int gs_preparing_check_bound(struct gs_preparing *preparing, const struct gs_op *op, const struct gs_field *field,
                             bool alive) {
    int64_t bound = field->store.bounded->bound;
    char message[128];
    if (op->bound == bound || (!alive && op->bound < bound)) {
        return 0;
    }
    snprintf(message, sizeof(message), "%s the bound %" PRId64 ", which cannot become %" PRId64,
             alive ? "has" : "had, before it was unset,", bound, op->bound);
    return gs_preparing_fail(preparing, GS_ETYPE, "/bound", &op->path, message);
}

int gs_preparing_refuse_absent(struct gs_preparing *preparing, const struct gs_op *op, int kind) {
    char message[96];
    snprintf(message, sizeof(message), "is not there: %s needs a bounded_counter, which create makes with its bound",
             gs_op_name(kind));
    return gs_preparing_fail(preparing, GS_ETYPE, "", &op->path, message);
}

int gs_preparing_refuse_spending(struct gs_preparing *preparing, const struct gs_op *op, const struct gs_field *field) {
    int64_t by = 0;
    (void)gs_integer_read(op->value, &by);
    gs_wide asked = by < 0 ? -(gs_wide)by : by;
    bool takes = op->kind == GS_OP_TAKEOVER;
    gs_wide held = gs_bounded_counter_rights_of(field->store.bounded, takes ? &op->target : &preparing->stamp->origin);
    gs_wide all = gs_bounded_counter_rights(field->store.bounded);
    held = held > 0 ? held : 0;
    char message[GS_PROBLEM_DETAIL_MAX / 2];
    /* No more than 2^63 were asked for, and fewer are held. */
    snprintf(message, sizeof(message),
             "needs %" PRIu64 " rights; %s holds %" PRIu64 " (of %" PRId64 " in all): %" PRIu64 " are missing",
             (uint64_t)asked, takes ? "that origin" : "this region", (uint64_t)held, gs_wide_clamp(all),
             (uint64_t)(asked - held));
    return gs_preparing_fail(preparing, GS_EBOUND, "/by", &op->path, message);
}
