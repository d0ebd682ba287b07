/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/tree.h"

#include <stdio.h>
#include <string.h>

static bool is(const char *value, const char *word) { return value && strcmp(value, word) == 0; }

/* ---- Walking ------------------------------------------------------------------------------------ */

typedef struct asker {
    const hn_device *d;
    const hn_needs *n;
} asker;

typedef struct reply { const char *branch, *because; } reply;

/* What the questions of the three trees are answered with; an unknown question has no reply. */
static reply answer(const asker *k, const char *tree, const char *ask)
{
    const char *vendor = k->d ? hn_device_vendor(k->d) : "", *kind = k->d ? k->d->kind : "";
    if (is(tree, "edge_framework")) {
        if (strstr(ask, "NVIDIA"))
            return is(vendor, "NVIDIA") ? (reply){ "yes", "the device is NVIDIA's" }
                                        : (reply){ "no", "the device is not NVIDIA's" };
        if (is(vendor, "Intel"))
            return (reply){ "Intel hardware", "the device is Intel's" };
        if (is(vendor, "Apple"))
            return (reply){ "Apple Silicon", "the device is Apple's" };
        if (is(kind, "phone-soc") || is(kind, "industrial-soc") || is(kind, "mcu") || is(kind, "accelerator"))
            return (reply){ "Mobile/Embedded", "it is a part for mobile and embedded use" };
        return (reply){ "Multi-platform", "a general-purpose processor" };
    }
    if (is(tree, "quantization")) {
        if (strstr(ask, "need"))
            return is(k->n->aim, "speed") ? (reply){ "maximum speed", "--aim speed" }
                                          : (reply){ "best quality", "speed was not asked for" };
        if (is(k->n->integration, "huggingface"))
            return (reply){ "Hugging Face Integration needed",
                            "--integration huggingface, asked first: the branches overlap" };
        if (is(vendor, "NVIDIA") && k->d->ram.known && k->d->ram.low >= 16)
            return (reply){ "GPU with ample VRAM", "an NVIDIA GPU with 16 GB or more" };
        return (reply){ "CPU or Apple Silicon", "no GPU with 16 GB or more" };
    }
    if (is(k->n->data_at, "s3"))
        return (reply){ "S3/AWS ecosystem", "--data-at s3" };
    if (is(k->n->data_at, "bigquery"))
        return (reply){ "BigQuery/GCP", "--data-at bigquery" };
    if (is(k->n->data_at, "azure"))
        return (reply){ "Azure Data Lake", "--data-at azure" };
    return (reply){ "need cheapest option", "the data is in none of the three" };
}

static const json_t *branch_named(const json_t *node, const char *name)
{
    const json_t *b;
    size_t i;
    json_array_foreach(json_object_get(node, "branches"), i, b)
        if (is(hn_entry_text(b, "if"), name))
            return b;
    return NULL;
}

static json_t *walk(const hn_catalog *c, const char *tree, const asker *k)
{
    const json_t *node = json_object_get(json_object_get(hn_catalog_root(c, "decisions.json"), "trees"),
                                         tree),
                 *root = node;
    json_t *path = json_array();
    for (int depth = 0; node && depth < 8 && json_object_get(node, "branches"); depth++) {
        const char *ask = hn_entry_text(node, "ask");
        reply r = answer(k, tree, ask);
        json_array_append_new(
            path, json_pack("{s:s, s:s, s:s}", "ask", ask, "answer", r.branch, "because", r.because));
        node = branch_named(node, r.branch);
    }
    if (!node || !json_object_get(node, "then")) {
        json_decref(path);
        return NULL;
    }
    const json_t *otherwise = json_object_get(json_object_get(node, "or"), "then");
    return json_pack("{s:s, s:o, s:O, s:s, s:s, s:s, s:O?, s:O?}", "tree", tree, "path", path, "then",
                     json_object_get(node, "then"), "with", hn_entry_text(node, "with"), "why",
                     hn_entry_text(node, "why"), "source", hn_entry_text(root, "source"), "or", otherwise,
                     "ladder", json_object_get(node, "ladder"));
}

json_t *hn_tree_runtime(const hn_catalog *c, const hn_device *d)
{
    return walk(c, "edge_framework", &(asker){ d, NULL });
}
json_t *hn_tree_quant(const hn_catalog *c, const hn_device *d, const hn_needs *n)
{
    return walk(c, "quantization", &(asker){ d, n });
}
json_t *hn_tree_cloud(const hn_catalog *c, const hn_needs *n)
{
    return n->data_at ? walk(c, "cloud_platform", &(asker){ NULL, n }) : NULL;
}

/* ---- Six factors ---------------------------------------------------------------------------------- */

static reply factor(const hn_needs *n, const char *name, hn_way cheapest)
{
    if (is(name, "latency")) {
        if (n->latency_ms < 200)
            return (reply){ "edge", "an answer is needed in under 200 ms" };
        if (n->latency_ms > 2000)
            return (reply){ "cloud", "more than 2 s may pass" };
        return (reply){ "-", hn_given_number(n->latency_ms) ? "between 200 ms and 2 s it decides nothing"
                                                            : "no --latency given" };
    }
    if (is(name, "privacy"))
        return is(n->privacy, "local")    ? (reply){ "edge", "data must stay on the site" }
               : is(n->privacy, "public") ? (reply){ "cloud", "data may leave the site" }
                                          : (reply){ "-", "no --privacy given" };
    if (is(name, "connectivity"))
        return is(n->connectivity, "none")           ? (reply){ "edge", "there is no network" }
               : is(n->connectivity, "intermittent") ? (reply){ "edge", "the network comes and goes" }
               : is(n->connectivity, "always")       ? (reply){ "cloud", "always connected" }
                                                     : (reply){ "-", "no --connectivity given" };
    if (is(name, "cost")) {
        if (!hn_given_number(n->queries_day))
            return (reply){ "-", "no --queries given" };
        return cheapest == HN_EDGE  ? (reply){ "edge", "devices cost least at this number of queries" }
               : cheapest == HN_API ? (reply){ "cloud", "an API costs least at this number of queries" }
               : cheapest == HN_VM  ? (reply){ "cloud", "a cloud GPU costs least at this number of queries" }
                                    : (reply){ "-", "a price is missing (see money)" };
    }
    if (is(name, "model quality"))
        return is(n->quality, "original") ? (reply){ "cloud", "nothing may be lost" }
               : n->quality               ? (reply){ "edge", "a quantised model is good enough" }
                                          : (reply){ "-", "no --quality given" };
    if (is(name, "regulatory"))
        return n->regulation && !is(n->regulation, "none")
                   ? (reply){ "edge", "regulated data is simplest to keep where it is" }
               : n->regulation ? (reply){ "cloud", "no rule binds the data" }
                               : (reply){ "-", "no --regulation given" };
    return (reply){ "-", "not asked" };
}

json_t *hn_factors(const hn_catalog *c, const hn_needs *n, hn_way cheapest)
{
    const json_t *table = json_object_get(
                     json_object_get(json_object_get(hn_catalog_root(c, "decisions.json"), "edge_or_cloud"),
                                     "factors"),
                     "value"),
                 *f;
    json_t *out = json_array();
    size_t i;
    json_array_foreach(table, i, f) {
        const char *name = hn_entry_text(f, "factor");
        reply r = factor(n, name, cheapest);
        json_array_append_new(
            out, json_pack("{s:s, s:s, s:s}", "factor", name, "says", r.branch, "because", r.because));
    }
    return out;
}

const char *hn_factors_verdict(const hn_needs *n, const json_t *factors, const char **why)
{
    int edge = 0, cloud = 0;
    const json_t *f;
    size_t i;
    json_array_foreach(factors, i, f) {
        edge += is(hn_entry_text(f, "says"), "edge");
        cloud += is(hn_entry_text(f, "says"), "cloud");
    }
    if (is(n->privacy, "local") || is(n->connectivity, "none") || is(n->regulation, "classified")) {
        *why = is(n->privacy, "local")       ? "data may not leave: no other factor can outvote that"
               : is(n->connectivity, "none") ? "no network: no other factor can outvote that"
                                             : "classified data: air-gapped";
        return "edge";
    }
    if (edge && cloud) {
        *why = "factors point both ways: the urgent and the private at the edge, the hard questions in the "
               "cloud, with a router";
        return "hybrid";
    }
    *why = edge    ? "every factor that was asked for points to the edge"
           : cloud ? "no factor asks for the edge"
                   : "nothing was asked that decides it";
    return edge ? "edge" : cloud ? "cloud" : "open";
}

json_t *hn_dimensions(const hn_catalog *c)
{
    const json_t *t = json_object_get(
        json_object_get(json_object_get(hn_catalog_root(c, "decisions.json"), "edge_or_cloud"), "dimensions"),
        "value");
    return json_deep_copy(t);
}

json_t *hn_advice(const hn_catalog *c, const hn_needs *n)
{
    const json_t *list = json_object_get(hn_catalog_root(c, "decisions.json"), "audience"), *a;
    size_t i;
    json_array_foreach(list, i, a) {
        const json_t *v = json_object_get(a, "value");
        if (n->audience && strncmp(hn_entry_text(v, "audience"), n->audience, strlen(n->audience)) == 0)
            return json_pack("{s:s, s:O, s:s}", "audience", hn_entry_text(v, "audience"), "steps",
                             json_object_get(v, "steps"), "source", hn_entry_text(a, "source"));
    }
    return NULL;
}
