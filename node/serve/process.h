/* What the shell asks the operating system about itself. */
#ifndef GS_NODE_SERVE_PROCESS_H
#define GS_NODE_SERVE_PROCESS_H

#include <stdint.h>

/* Milliseconds since 1970, and of a clock that never goes back. */
uint64_t gs_wall_ms(void);
uint64_t gs_mono_ms(void);
/* Memory of the process that is in RAM; 0 if that cannot be told. */
uint64_t gs_resident_bytes(void);

#endif
