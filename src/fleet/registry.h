/* SPDX-License-Identifier: Apache-2.0 */
/* Registries: packages in the places where container images lie (the OCI distribution API).
 *
 * A reference is HOST[:PORT]/REPOSITORY[:TAG][@sha256:HEX], with http:// before it for a registry without
 * TLS; loopback needs no http://.  A pulled package is checked blob by blob against what its manifest says,
 * and the manifest against the digest, if the reference has one. */
#ifndef HN_FLEET_REGISTRY_H
#define HN_FLEET_REGISTRY_H

#include "fleet/package.h"

typedef struct hn_registry_opts {
    const char *user, *password;       /* NULL: as anybody */
    const char *token;                 /* a bearer token; NULL: asked for where the registry names a place */
    const char *ca_file;               /* PEM; NULL: the system's */
} hn_registry_opts;

/* Does it look like a reference and not like a folder or file?  http://, https://, or HOST.TLD/..., HOST:PORT/... */
bool hn_registry_is_reference(const char *text);

/* Blobs the registry has already are not sent again.  Without a tag: the build's number. */
hn_err hn_registry_push(hn_ctx *cx, const hn_package *p, const char *reference, const hn_registry_opts *o);

/* to: a folder, or an archive when it ends in .tar.  Without a tag: latest. */
hn_err hn_registry_pull(hn_ctx *cx, const char *reference, const hn_registry_opts *o, const char *to);

#endif
