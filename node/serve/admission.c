#include "node/serve/admission.h"

void gs_admission_init(struct gs_admission *admission) {
    admission->list.next = admission->list.previous = &admission->list;
    admission->target_ms = GS_ADMISSION_TARGET_MS;
    admission->fastest_ms = admission->fastest_before_ms = UINT32_MAX;
}

void gs_admission_committed(struct gs_admission *admission, size_t bytes, uint64_t took_ms, int64_t now_ms) {
    if (bytes > GS_ADMISSION_SMALL_BYTES || took_ms >= UINT32_MAX) {
        return;
    }
    if (now_ms - admission->window_ms >= GS_ADMISSION_WINDOW_MS) { /* one without commits says nothing new */
        admission->fastest_before_ms = admission->fastest_ms;
        admission->fastest_ms = UINT32_MAX;
        admission->window_ms = now_ms;
    }
    admission->fastest_ms = took_ms < admission->fastest_ms ? (uint32_t)took_ms : admission->fastest_ms;
}

uint64_t gs_admission_limit_ms(const struct gs_admission *admission) {
    uint32_t before_ms = admission->fastest_before_ms;
    uint32_t fastest_ms = admission->fastest_ms < before_ms ? admission->fastest_ms : before_ms;
    uint64_t commits_ms = fastest_ms != UINT32_MAX ? GS_ADMISSION_COMMITS * (uint64_t)fastest_ms : 0;
    return admission->target_ms > 0 ? admission->target_ms + commits_ms : 0;
}

uint64_t gs_admission_oldest_ms(const struct gs_admission *admission, int64_t now_ms) {
    const struct gs_admission_call *oldest = admission->list.next;
    return oldest != &admission->list && now_ms > oldest->since_ms ? (uint64_t)(now_ms - oldest->since_ms) : 0;
}

bool gs_admission_is_full(const struct gs_admission *admission, uint64_t delay_ms, int64_t now_ms) {
    uint64_t oldest_ms = gs_admission_oldest_ms(admission, now_ms);
    return admission->target_ms > 0 && admission->waiting >= GS_ADMISSION_ALWAYS &&
           (delay_ms > admission->target_ms || oldest_ms > gs_admission_limit_ms(admission));
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
