/* Puts a batch that is held, and a fork, into a core. Tests only. */
#ifndef GS_TESTS_SUPPORT_FAKE_QUARANTINE_H
#define GS_TESTS_SUPPORT_FAKE_QUARANTINE_H

#include "node/core/core.h"

typedef int (*fake_quarantine_step)(void *context, struct gs_core_event event);

/* Steps a started core, whose configuration this is, with what it takes. 0 or the first error. */
int fake_quarantine_fill(const struct gs_core_config *config, fake_quarantine_step step, void *context);

#endif
