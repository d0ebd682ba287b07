/* SPDX-License-Identifier: Apache-2.0 */
/* The names that OCI and the CNCF ModelPack gave to what a package is made of. */
#ifndef HN_FLEET_OCI_H
#define HN_FLEET_OCI_H

#define HN_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define HN_OCI_INDEX    "application/vnd.oci.image.index.v1+json"
#define HN_OCI_ARTIFACT "application/vnd.cncf.model.manifest.v1+json"
#define HN_OCI_CONFIG   "application/vnd.cncf.model.config.v1+json"
#define HN_OCI_WEIGHT   "application/vnd.cncf.model.weight.v1.raw"
#define HN_OCI_WEIGHT_CONFIG "application/vnd.cncf.model.weight.config.v1.raw"
#define HN_OCI_DOC      "application/vnd.cncf.model.doc.v1.raw"
#define HN_OCI_DATASET  "application/vnd.cncf.model.dataset.v1.raw"
#define HN_OCI_DELTA    "application/vnd.hone.delta.v1"
#define HN_OCI_HONE     "application/vnd.hone.manifest.v1+json"
#define HN_OCI_FILEPATH "org.cncf.model.filepath"
#define HN_OCI_FILEPATH_DRAFT "org.cnai.model.filepath"       /* earlier drafts: read, never written */
#define HN_OCI_LAYOUT   "{\"imageLayoutVersion\":\"1.0.0\"}"
#define HN_OCI_JSON_MAX ((size_t)4 << 20)

#endif
