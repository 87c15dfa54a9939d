/* Hybrid logical clock: 48 bits of milliseconds since 1970 and a 16-bit counter, in one ordered number.
 *
 * Kulkarni et al., "Logical physical clocks", 2014. A clock never goes back and stays within the greatest difference of
 * the machines' clocks; an event's stamp is greater than that of everything its origin had applied. When the counter is
 * full it borrows a millisecond; it never wraps. Pure arithmetic: wall time is an argument. */
#ifndef GLOBALSTATE_HLC_H
#define GLOBALSTATE_HLC_H

#include <stdint.h>

typedef uint64_t gs_hlc;

#define GS_HLC_MS_MAX ((UINT64_C(1) << 48) - 1)

static inline uint64_t gs_hlc_ms(gs_hlc clock) {
    return clock >> 16;
}

static inline gs_hlc gs_hlc_from_ms(uint64_t ms) {
    return (ms > GS_HLC_MS_MAX ? GS_HLC_MS_MAX : ms) << 16;
}

/* The next stamp after `last` at wall time `wall_ms`: max(last + 1, wall). UINT64_MAX stays UINT64_MAX (year 10889). */
gs_hlc gs_hlc_next(gs_hlc last, uint64_t wall_ms);

/* The clock after seeing `remote`: max(last, remote). Callers check the skew of `remote` first; a refused stamp must
 * not be passed here. */
gs_hlc gs_hlc_observe(gs_hlc last, gs_hlc remote);

/* RFC 3339 text, UTC, milliseconds: "2026-01-31T12:00:00.123Z". `ret_text` has room for 25 bytes. Years have four
 * digits: what lies after 9999 is written as the last millisecond of 9999. */
void gs_hlc_format(gs_hlc clock, char ret_text[25]);

#endif
