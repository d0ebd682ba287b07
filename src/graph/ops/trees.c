/* SPDX-License-Identifier: Apache-2.0 */
/* trees.c: TreeEnsemble, and the two older forms that name nodes by tree and number.
 *
 * All three become one list of nodes first.  A walk through a tree takes at most as many steps as there
 * are nodes: a cycle in a file ends it with an error. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "graph/load.h"
#include "graph/post.h"

#define DOMAIN "ai.onnx.ml"

enum { LEQ, LT, GTE, GT, EQ, NEQ, MEMBER, LEAF };

typedef struct branch {
    int mode;
    bool missing_true;                  /* NaN goes the way of true */
    size_t feature, yes, no;            /* places in the list; with LEAF: first and count of its weights */
    double value;
    size_t members, member_count;
} branch;

typedef struct forest {
    branch *node;
    size_t count, roots, weights, features;
    size_t *root;
    const int64_t *target;
    double *weight;
    double *member;
    size_t *order;                      /* older forms: weights sorted by leaf; NULL: as they are */
} forest;

static size_t ints(const hn_call *c, const char *name, const int64_t **out) { return hn_attr_ints(c->node, name, out); }

/* A list of numbers from a tensor or a list attribute. */
static hn_err numbers(hn_call *c, const char *name, double **out, size_t *count)
{
    const hn_attr *a = hn_attr_find(c->node, name);
    char other[64];
    size_t n = strlen(name);
    if (!a && n + 11 < sizeof other) {
        memcpy(other, name, n);
        memcpy(other + n, "_as_tensor", 11);
        a = hn_attr_find(c->node, other);
    }
    *out = NULL;
    *count = 0;
    if (!a || (a->kind != HN_ATTR_TENSOR && a->kind != HN_ATTR_FLOATS))
        return HN_OK;
    hn_tensor list = { HN_F32, { .rank = 1, .dim = { (int64_t)a->list.count } }, (void *)(uintptr_t)a->list.f };
    const hn_tensor *t = a->kind == HN_ATTR_TENSOR ? &a->tensor : &list;
    *count = hn_count(t);
    return hn_load_f64(c, t, out);
}

/* ---- TreeEnsemble ------------------------------------------------------------------------------------ */

static hn_err read_members(hn_call *c, forest *f)
{
    size_t count, at = 0;
    HN_TRY(numbers(c, "membership_values", &f->member, &count));
    for (size_t i = 0; i < f->count; i++) {
        branch *b = &f->node[i];
        if (b->mode != MEMBER)
            continue;
        b->members = at;
        while (at < count && !isnan(f->member[at]))
            at++;
        b->member_count = at - b->members;
        at++;                                           /* the NaN behind them */
    }
    return HN_OK;
}

/* Leaves are put behind the `inner` nodes. */
static hn_err read_forest(hn_call *c, forest *f)
{
    const int64_t *feature, *yes, *no, *yes_leaf, *no_leaf, *missing, *root;
    const hn_attr *modes = hn_attr_find(c->node, "nodes_modes");
    double *value;
    size_t values, inner = ints(c, "nodes_featureids", &feature), leaves = ints(c, "leaf_targetids", &f->target);
    size_t missings = ints(c, "nodes_missing_value_tracks_true", &missing);
    HN_TRY(numbers(c, "nodes_splits", &value, &values));
    HN_TRY(numbers(c, "leaf_weights", &f->weight, &f->weights));
    bool fits = ints(c, "nodes_truenodeids", &yes) == inner && ints(c, "nodes_falsenodeids", &no) == inner &&
                ints(c, "nodes_trueleafs", &yes_leaf) == inner && ints(c, "nodes_falseleafs", &no_leaf) == inner &&
                values == inner && (!missings || missings == inner) && f->weights == leaves && modes &&
                modes->kind == HN_ATTR_TENSOR && hn_count(&modes->tensor) == inner &&
                hn_is_integer(modes->tensor.dtype);
    f->roots = ints(c, "tree_roots", &root);
    if (!fits)
        return hn_bad(c, "its lists of nodes differ in length");
    f->count = inner + leaves;
    f->node = HN_SCRATCH(c, branch, f->count);
    f->root = HN_SCRATCH(c, size_t, f->roots);
    if (!f->node || !f->root)
        return hn_nomem(c->cx, "trees");
    for (size_t i = 0; i < inner; i++) {
        int64_t mode, to[] = { yes[i], no[i] };
        hn_get_i64(&modes->tensor, i, 1, &mode);
        for (int k = 0; k < 2; k++)
            if (to[k] < 0 || (size_t)to[k] >= ((k ? no_leaf : yes_leaf)[i] ? leaves : inner))
                return hn_bad(c, "node %zu leads to %lld, which is not there", i, (long long)to[k]);
        if (mode < LEQ || mode > MEMBER || feature[i] < 0 || feature[i] > INT32_MAX)
            return hn_bad(c, "node %zu has mode %lld and feature %lld", i, (long long)mode, (long long)feature[i]);
        f->node[i] = (branch){ .mode = (int)mode, .missing_true = missings && missing[i], .feature = (size_t)feature[i],
                               .yes = (size_t)yes[i] + (yes_leaf[i] ? inner : 0),
                               .no = (size_t)no[i] + (no_leaf[i] ? inner : 0), .value = value[i] };
    }
    for (size_t i = 0; i < leaves; i++)
        f->node[inner + i] = (branch){ .mode = LEAF, .yes = i, .no = 1 };
    for (size_t i = 0; i < f->roots; i++) {
        if (root[i] < 0 || (size_t)root[i] >= inner)
            return hn_bad(c, "tree %zu begins at node %lld of %zu", i, (long long)root[i], inner);
        f->root[i] = (size_t)root[i];
    }
    return read_members(c, f);
}

/* ---- The older forms ------------------------------------------------------------------------------------ */

typedef struct key { int64_t tree, node; size_t at; } key;

static int by_key(const void *a, const void *b)
{
    const key *x = a, *y = b;
    if (x->tree != y->tree)
        return x->tree < y->tree ? -1 : 1;
    return x->node != y->node ? (x->node < y->node ? -1 : 1) : (x->at > y->at) - (x->at < y->at);
}

/* The first of equal keys, or `count`. */
static size_t find_key(const key *k, size_t count, int64_t tree, int64_t node)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (k[mid].tree < tree || (k[mid].tree == tree && k[mid].node < node))
            low = mid + 1;
        else
            high = mid;
    }
    return low < count && k[low].tree == tree && k[low].node == node ? low : count;
}

static key *sorted(hn_call *c, const int64_t *tree, const int64_t *node, size_t count)
{
    key *k = HN_SCRATCH(c, key, count);
    for (size_t i = 0; k && i < count; i++)
        k[i] = (key){ tree[i], node[i], i };
    if (k && count)
        qsort(k, count, sizeof *k, by_key);
    return k;
}

static int mode_of(hn_text t)
{
    static const char *const name[] = { "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ",
                                        "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF" };
    for (int i = LEQ; i <= LEAF; i++)
        if (t.len == strlen(name[i]) && memcmp(t.ptr, name[i], t.len) == 0 && i != MEMBER)
            return i;
    return -1;
}

/* `kind` is "target" or "class": whose weights leaves carry. */
static hn_err read_old(hn_call *c, const char *kind, forest *f)
{
    const int64_t *tree, *id, *feature, *yes, *no, *missing, *leaf_tree, *leaf_node;
    const hn_attr *modes = hn_attr_find(c->node, "nodes_modes");
    char name[3][24];
    double *value;
    size_t values, n = ints(c, "nodes_nodeids", &id), missings = ints(c, "nodes_missing_value_tracks_true", &missing);
    for (int i = 0; i < 3; i++) {
        static const char *const end[] = { "_ids", "_treeids", "_nodeids" };
        memcpy(name[i], kind, strlen(kind) + 1);
        memcpy(name[i] + strlen(kind), end[i], strlen(end[i]) + 1);
    }
    char weights[24];
    memcpy(weights, kind, strlen(kind));
    memcpy(weights + strlen(kind), "_weights", 9);
    HN_TRY(numbers(c, "nodes_values", &value, &values));
    HN_TRY(numbers(c, weights, &f->weight, &f->weights));
    bool fits = ints(c, "nodes_treeids", &tree) == n && ints(c, "nodes_featureids", &feature) == n &&
                ints(c, "nodes_truenodeids", &yes) == n && ints(c, "nodes_falsenodeids", &no) == n && values == n &&
                (!missings || missings == n) && modes && modes->kind == HN_ATTR_TEXTS && modes->list.count == n &&
                ints(c, name[0], &f->target) == f->weights && ints(c, name[1], &leaf_tree) == f->weights &&
                ints(c, name[2], &leaf_node) == f->weights;
    if (!fits)
        return hn_bad(c, "its lists of nodes differ in length");
    key *node = sorted(c, tree, id, n), *leaf = sorted(c, leaf_tree, leaf_node, f->weights);
    f->count = n;
    f->node = HN_SCRATCH(c, branch, n);
    f->root = HN_SCRATCH(c, size_t, n);
    f->order = HN_SCRATCH(c, size_t, f->weights);
    if (!node || !leaf || !f->node || !f->root || !f->order)
        return hn_nomem(c->cx, "trees");
    for (size_t i = 0; i < f->weights; i++)
        f->order[i] = leaf[i].at;
    for (size_t i = 0; i < n; i++) {
        branch *b = &f->node[i];
        *b = (branch){ .mode = mode_of(modes->list.text[i]), .missing_true = missings && missing[i], .value = value[i] };
        bool first = i == 0 || tree[i] != tree[i - 1];
        if (first)
            f->root[f->roots++] = i;
        if (b->mode == LEAF) {
            b->yes = find_key(leaf, f->weights, tree[i], id[i]);
            for (b->no = 0; b->yes + b->no < f->weights && leaf[b->yes + b->no].tree == tree[i] &&
                            leaf[b->yes + b->no].node == id[i];)
                b->no++;
            continue;
        }
        b->yes = find_key(node, n, tree[i], yes[i]);
        b->no = find_key(node, n, tree[i], no[i]);
        if (b->mode < 0 || b->yes == n || b->no == n || feature[i] < 0 || feature[i] > INT32_MAX)
            return hn_bad(c, "node %zu leads nowhere, or has a mode or feature that is not there", i);
        b->yes = node[b->yes].at;
        b->no = node[b->no].at;
        b->feature = (size_t)feature[i];
    }
    return HN_OK;
}

/* ---- Walking ----------------------------------------------------------------------------------------------- */

static bool goes_yes(const forest *f, const branch *b, double x)
{
    if (isnan(x))
        return b->missing_true;
    switch (b->mode) {
    case LEQ: return x <= b->value;
    case LT:  return x < b->value;
    case GTE: return x >= b->value;
    case GT:  return x > b->value;
    case EQ:  return x == b->value;
    case NEQ: return x != b->value;
    default:
        for (size_t i = 0; i < b->member_count; i++)
            if (f->member[b->members + i] == x)
                return true;
        return false;
    }
}

static hn_err find_leaf(hn_call *c, const forest *f, size_t tree, const double *x, const branch **out)
{
    const branch *b = &f->node[f->root[tree]];
    for (size_t steps = 0; b->mode != LEAF; steps++) {
        if (steps > f->count)
            return hn_bad(c, "tree %zu has a cycle", tree);
        if (b->feature >= f->features)
            return hn_bad(c, "tree %zu asks for feature %zu of %zu", tree, b->feature, f->features);
        b = &f->node[goes_yes(f, b, x[b->feature]) ? b->yes : b->no];
    }
    *out = b;
    return HN_OK;
}

enum { AVERAGE, SUM, LEAST, MOST };

/* Scores of one row, in n places; `hit` says which of them anything spoke for. */
static hn_err score_row(hn_call *c, const forest *f, const double *x, int how, size_t n, double *score, bool *hit)
{
    for (size_t i = 0; i < n; i++) {
        score[i] = how == LEAST ? INFINITY : how == MOST ? -INFINITY : 0;
        hit[i] = false;
    }
    for (size_t t = 0; t < f->roots; t++) {
        const branch *leaf = NULL;
        HN_TRY(find_leaf(c, f, t, x, &leaf));
        for (size_t k = leaf->yes; k < leaf->yes + leaf->no; k++) {
            size_t at = f->order ? f->order[k] : k;
            int64_t to = f->target[at];
            double w = f->weight[at];
            if (to < 0 || (size_t)to >= n)
                return hn_bad(c, "a leaf speaks for %lld of %zu", (long long)to, n);
            hit[to] = true;
            score[to] = how == LEAST ? fmin(score[to], w) : how == MOST ? fmax(score[to], w)
                                                          : score[to] + (how == AVERAGE ? w / (double)f->roots : w);
        }
    }
    for (size_t i = 0; i < n; i++)
        score[i] = hit[i] ? score[i] : 0;
    return HN_OK;
}

static hn_err open_rows(hn_call *c, forest *f, double **x, size_t *rows)
{
    const hn_shape *s = &c->in[0]->shape;
    f->features = (size_t)s->dim[s->rank - 1];
    *rows = s->rank == 2 ? (size_t)s->dim[0] : 1;
    return hn_load_f64(c, c->in[0], x);
}

static hn_err check_input(hn_call *c, int64_t *rows)
{
    const hn_shape *s = &c->in[0]->shape;
    int class = hn_dtype_class(c->in[0]->dtype);
    if (class == HN_CLASS_S || class == HN_CLASS_C)
        return hn_bad(c, "features of %s", hn_dtype_name(c->in[0]->dtype));
    if (s->rank > 2 || s->rank == 0)
        return hn_bad(c, "input has %d dimensions, expected 1 or 2", s->rank);
    *rows = s->rank == 2 ? s->dim[0] : s->rank == 1 ? 1 : hn_fresh_dim(c);
    return HN_OK;
}

/* ---- Regression ----------------------------------------------------------------------------------------------- */

static hn_err infer_scores(hn_call *c)
{
    hn_shape y = { .rank = 2 };
    hn_post post;
    y.dim[1] = hn_attr_int(c->node, "n_targets", 1);
    HN_TRY(hn_post_read(c, &post));
    HN_TRY(check_input(c, &y.dim[0]));
    if (y.dim[1] < 1 || y.dim[1] > INT32_MAX)
        return hn_bad(c, "n_targets is %lld", (long long)y.dim[1]);
    bool keep = strcmp(c->node->op->name, "TreeEnsemble") == 0;
    hn_out(c, 0, keep && hn_is_float(c->in[0]->dtype) ? c->in[0]->dtype : HN_F32, &y);
    return HN_OK;
}

static hn_err run_scores(hn_call *c, const forest *from, int how)
{
    forest f = *from;
    size_t n = (size_t)c->out[0]->shape.dim[1], rows, bases;
    double *x, *base, *score = HN_SCRATCH(c, double, n);
    bool *hit = HN_SCRATCH(c, bool, n);
    hn_post post;
    if (!score || !hit)
        return hn_nomem(c->cx, "scores");
    HN_TRY(hn_post_read(c, &post));
    HN_TRY(open_rows(c, &f, &x, &rows));
    HN_TRY(numbers(c, "base_values", &base, &bases));
    if (bases > 1 && bases != n)
        return hn_bad(c, "%zu base values for %zu targets", bases, n);
    for (size_t r = 0; r < rows; r++) {
        HN_TRY(score_row(c, &f, x + r * f.features, how, n, score, hit));
        for (size_t i = 0; i < n && bases; i++)
            score[i] += base[bases == 1 ? 0 : i];
        hn_post_apply(post, score, n);
        hn_put_f64(c->out[0], r * n, n, score);
    }
    return HN_OK;
}

static hn_err run_ensemble(hn_call *c)
{
    forest f = { 0 };
    int64_t how = hn_attr_int(c->node, "aggregate_function", SUM);
    if (how < AVERAGE || how > MOST)
        return hn_bad(c, "aggregate_function is %lld", (long long)how);
    HN_TRY(read_forest(c, &f));
    return run_scores(c, &f, (int)how);
}

static hn_err run_regressor(hn_call *c)
{
    static const char *const name[] = { "AVERAGE", "SUM", "MIN", "MAX" };
    forest f = { 0 };
    int how = AVERAGE;
    while (how <= MOST && !hn_attr_is(c->node, "aggregate_function", name[how], "SUM"))
        how++;
    if (how > MOST)
        return hn_bad(c, "aggregate_function is none of AVERAGE, SUM, MIN and MAX");
    HN_TRY(read_old(c, "target", &f));
    return run_scores(c, &f, how);
}

/* ---- Classification --------------------------------------------------------------------------------------------- */

static hn_err infer_classes(hn_call *c)
{
    hn_classes k = hn_classes_read(c);
    hn_shape labels = { .rank = 1 }, scores = { .rank = 2, .dim = { 0, (int64_t)k.count } };
    hn_post post;
    HN_TRY(hn_post_read(c, &post));
    HN_TRY(check_input(c, &labels.dim[0]));
    if (k.count < 2)
        return k.count ? hn_unsupported(c, "a single class") : hn_bad(c, "has no class labels");
    scores.dim[0] = labels.dim[0];
    hn_out(c, 0, k.text ? HN_STR : HN_I64, &labels);
    hn_out(c, 1, HN_F32, &scores);
    return HN_OK;
}

/* Two classes, and all weights speak for one of them: its score decides both. */
static bool is_pair(const forest *f, const hn_classes *k, bool *probability)
{
    *probability = true;
    for (size_t i = 0; i < f->weights; i++) {
        *probability = *probability && f->weight[i] >= 0;
        if (f->target[i] != f->target[0])
            return false;
    }
    return k->count == 2 && f->weights > 0;
}

static hn_err run_classifier(hn_call *c)
{
    hn_classes k = hn_classes_read(c);
    forest f = { 0 };
    size_t n = k.count, rows, bases;
    double *x, *base, *score = HN_SCRATCH(c, double, n);
    bool *hit = HN_SCRATCH(c, bool, n), probability;
    hn_post post;
    if (!score || !hit)
        return hn_nomem(c->cx, "scores");
    HN_TRY(hn_post_read(c, &post));
    HN_TRY(read_old(c, "class", &f));
    HN_TRY(open_rows(c, &f, &x, &rows));
    HN_TRY(numbers(c, "base_values", &base, &bases));
    bool pair = is_pair(&f, &k, &probability);
    if (bases && bases != n && !(pair && bases == 1))
        return hn_bad(c, "%zu base values for %zu classes", bases, n);
    for (size_t r = 0; r < rows; r++) {
        size_t best = 0;
        HN_TRY(score_row(c, &f, x + r * f.features, SUM, n, score, hit));
        if (pair) {
            double one = score[f.target[0]] + (bases ? base[bases == 1 ? 0 : 1] : 0);
            best = hn_post_pair(post, probability, one, score);
        } else {
            for (size_t i = 0; i < n; i++) {
                score[i] += bases ? base[i] : 0;
                best = score[i] > score[best] ? i : best;
            }
            hn_post_apply(post, score, n);
        }
        if (hn_has_out(c, 0))
            hn_classes_put(&k, c->out[0], r, best);
        if (hn_has_out(c, 1))
            hn_put_f64(c->out[1], r * n, n, score);
    }
    return HN_OK;
}

/* ---- Descriptors -------------------------------------------------------------------------------------------------- */

static const hn_attr_spec ensemble_attr[] = {
    { "aggregate_function", HN_ATTR_INT, "1: sum" }, { "leaf_targetids", HN_ATTR_INTS, "" },
    { "leaf_weights", HN_ATTR_TENSOR, "" }, { "membership_values", HN_ATTR_TENSOR, "NaN between sets" },
    { "n_targets", HN_ATTR_INT, "" }, { "nodes_falseleafs", HN_ATTR_INTS, "" }, { "nodes_falsenodeids", HN_ATTR_INTS, "" },
    { "nodes_featureids", HN_ATTR_INTS, "" }, { "nodes_missing_value_tracks_true", HN_ATTR_INTS, "0" },
    { "nodes_modes", HN_ATTR_TENSOR, "" }, { "nodes_splits", HN_ATTR_TENSOR, "" }, { "nodes_trueleafs", HN_ATTR_INTS, "" },
    { "nodes_truenodeids", HN_ATTR_INTS, "" }, { "post_transform", HN_ATTR_INT, "0: none" },
    { "tree_roots", HN_ATTR_INTS, "" }, { 0 }
};
#define OLD_ATTRS                                                                                   \
    { "base_values", HN_ATTR_FLOATS, "0" }, { "nodes_falsenodeids", HN_ATTR_INTS, "" },             \
    { "nodes_featureids", HN_ATTR_INTS, "" }, { "nodes_missing_value_tracks_true", HN_ATTR_INTS, "0" }, \
    { "nodes_modes", HN_ATTR_TEXTS, "" }, { "nodes_nodeids", HN_ATTR_INTS, "" },                    \
    { "nodes_treeids", HN_ATTR_INTS, "" }, { "nodes_truenodeids", HN_ATTR_INTS, "" },               \
    { "nodes_values", HN_ATTR_FLOATS, "" }, { "post_transform", HN_ATTR_TEXT, "NONE" }
static const hn_attr_spec regressor_attr[] = {
    OLD_ATTRS, { "aggregate_function", HN_ATTR_TEXT, "SUM" }, { "n_targets", HN_ATTR_INT, "" },
    { "target_ids", HN_ATTR_INTS, "" }, { "target_nodeids", HN_ATTR_INTS, "" }, { "target_treeids", HN_ATTR_INTS, "" },
    { "target_weights", HN_ATTR_FLOATS, "" }, { 0 }
};
static const hn_attr_spec classifier_attr[] = {
    OLD_ATTRS, { "class_ids", HN_ATTR_INTS, "" }, { "class_nodeids", HN_ATTR_INTS, "" },
    { "class_treeids", HN_ATTR_INTS, "" }, { "class_weights", HN_ATTR_FLOATS, "" },
    { "classlabels_int64s", HN_ATTR_INTS, "" }, { "classlabels_strings", HN_ATTR_TEXTS, "" }, { 0 }
};

#define TREES(id, onnx, opset, outs, attrs, infer_fn, run_fn)                                     \
    const hn_op hn_op_##id = { .name = onnx, .domain = DOMAIN, .since = opset, .min_in = 1, .max_in = 1, \
        .min_out = 1, .max_out = outs, .attr = attrs, .infer = infer_fn, .run = run_fn };

TREES(tree_ensemble,            "TreeEnsemble",           5, 1, ensemble_attr,   infer_scores,  run_ensemble)
TREES(tree_ensemble_regressor,  "TreeEnsembleRegressor",  3, 1, regressor_attr,  infer_scores,  run_regressor)
TREES(tree_ensemble_classifier, "TreeEnsembleClassifier", 3, 2, classifier_attr, infer_classes, run_classifier)
