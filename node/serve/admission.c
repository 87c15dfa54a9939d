#include "node/serve/admission.h"

void gs_admission_init(struct gs_admission *admission) {
    admission->list.next = admission->list.previous = &admission->list;
    admission->target_ms = GS_ADMISSION_TARGET_MS;
}

uint64_t gs_admission_oldest_ms(const struct gs_admission *admission, int64_t now_ms) {
    const struct gs_admission_call *oldest = admission->list.next;
    return oldest != &admission->list && now_ms > oldest->since_ms ? (uint64_t)(now_ms - oldest->since_ms) : 0;
}

bool gs_admission_is_full(const struct gs_admission *admission, uint64_t delay_ms, int64_t now_ms) {
    uint64_t oldest_ms = gs_admission_oldest_ms(admission, now_ms);
    return admission->target_ms > 0 && admission->waiting >= GS_ADMISSION_ALWAYS &&
           (oldest_ms > delay_ms ? oldest_ms : delay_ms) > admission->target_ms;
}

bool gs_admission_enter(struct gs_admission *admission, struct gs_admission_call *call, bool must, uint64_t delay_ms,
                        int64_t now_ms) {
    if (!must && gs_admission_is_full(admission, delay_ms, now_ms)) {
        admission->refused++;
        return false;
    }
    call->since_ms = now_ms;
    call->next = &admission->list;
    call->previous = admission->list.previous;
    call->previous->next = call;
    admission->list.previous = call;
    admission->waiting++;
    return true;
}

void gs_admission_leave(struct gs_admission *admission, struct gs_admission_call *call) {
    call->next->previous = call->previous;
    call->previous->next = call->next;
    admission->waiting--;
}
