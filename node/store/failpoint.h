/* Places at which a test ends the process as `kill -9` does: GS_FAILPOINT(name) in the code, TEST_FAILPOINT=name:count
 * in the environment. Only in a build for tests (-DGS_FAILPOINTS, tests/support/meson.build): elsewhere they are
 * nothing.
 *
 * A name says what is about to be done, or has been: "append.before", "append.after". All of them are listed in
 * tests/integration/kill_points.py, and a run says which it never came by. */
#ifndef GS_NODE_STORE_FAILPOINT_H
#define GS_NODE_STORE_FAILPOINT_H

#ifdef GS_FAILPOINTS
/* Ends the process the `count`-th time that any thread comes by the point that the environment names. */
void gs_failpoint(const char *name);
#define GS_FAILPOINT(name) gs_failpoint(name)
#else
#define GS_FAILPOINT(name) ((void)0)
#endif

#endif
