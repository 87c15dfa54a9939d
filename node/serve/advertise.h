/* What a node's member record says of where peers can dial it. */
#ifndef GS_NODE_SERVE_ADVERTISE_H
#define GS_NODE_SERVE_ADVERTISE_H

#include "node/core/core.h"

/* Fills in the addresses of `core`. `setting`: HOST:PORT, several with commas between them, or "off" for none. Empty:
 * the host of `gossip_addr`, if it names one, else the first address of an interface that others may know (no loopback,
 * no link-local one; IPv4 before IPv6), else loopback; with `port`, on which the node listens. GS_EINVAL with
 * GS_ADVERTISE_ADDR as the field. */
int gs_advertise(const char *setting, const char *gossip_addr, uint16_t port, struct gs_core_config *core,
                 struct gs_problem *problem);

#endif
