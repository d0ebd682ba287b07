/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/onnx_data.h"

#include "formats/onnx.h"

/* Does a field that holds packed numbers in a tensor hold a message with an element type? */
static bool is_nested(hn_pb msg)
{
    hn_pb_field f;
    bool typed = false;
    while (hn_pb_next(&msg, &f))
        typed = typed || f.key == HN_PB(2, VARINT);
    return typed && !msg.damaged;
}

/* Nothing in the bytes says which message they are.  SequenceProto and OptionalProto (alike on the
 * wire) begin with a name as text where a tensor has dimensions, and have no raw data; what they
 * hold are messages where a tensor has numbers, or nothing at all. */
static bool is_collection(hn_pb msg)
{
    hn_pb_field f;
    bool named = false, holds = false, other = false;
    while (hn_pb_next(&msg, &f))
        switch (f.key) {
        case HN_PB(1, LEN):    named = true; break;
        case HN_PB(2, VARINT): break;
        case HN_PB(3, LEN): case HN_PB(4, LEN): case HN_PB(5, LEN): case HN_PB(6, LEN): case HN_PB(7, LEN):
            holds = holds || is_nested(hn_pb_inside(&f));
            other = other || !holds;
            break;
        default: other = true; break;
        }
    return !msg.damaged && named && !other;
}

static hn_err new_list(hn_onnx *r, hn_dtype type, size_t count, hn_tensor *out, hn_list **list)
{
    *list = HN_NEW(r->arena, hn_list, 1);
    if (*list)
        (*list)->item = HN_NEW(r->arena, hn_tensor, count);
    if (!*list || !(*list)->item)
        return hn_nomem(r->cx, "a sequence");
    *out = (hn_tensor){ .dtype = type, .data = *list };
    return HN_OK;
}

/* SequenceProto: tensors in field 3. */
static hn_err read_sequence(hn_onnx *r, hn_pb msg, hn_dtype like, hn_tensor *out, hn_text *name)
{
    hn_pb at = msg;
    hn_pb_field f;
    hn_list *list;
    size_t count = 0;
    while (hn_pb_next(&at, &f)) {
        count += f.key == HN_PB(3, LEN);
        if (f.key == HN_PB(1, LEN) && name)
            *name = hn_pb_text(&f);
        if (f.key == HN_PB(4, LEN) || f.key == HN_PB(5, LEN) || f.key == HN_PB(6, LEN) || f.key == HN_PB(7, LEN))
            return hn_fail(r->cx, HN_EUNSUP, "a sequence of something other than tensors");
    }
    if (at.damaged)
        return hn_onnx_damaged(r, &msg, "a sequence");
    HN_TRY(new_list(r, hn_is_list(like) ? like : hn_seq_of(HN_NONE), count, out, &list));
    for (at = msg; hn_pb_next(&at, &f);)
        if (f.key == HN_PB(3, LEN)) {
            hn_tensor *t = &list->item[list->count++];
            HN_TRY(hn_onnx_tensor(r, hn_pb_inside(&f), t, NULL));
            if (t->dtype != list->item[0].dtype)
                return hn_fail(r->cx, HN_EFORMAT, "a sequence of %s and %s", hn_dtype_name(list->item[0].dtype),
                               hn_dtype_name(t->dtype));
            out->dtype = hn_seq_of(t->dtype);
        }
    return HN_OK;
}

/* OptionalProto: a tensor in field 3 or a sequence in field 5, or nothing. */
static hn_err read_optional(hn_onnx *r, hn_pb msg, hn_dtype like, hn_tensor *out, hn_text *name)
{
    hn_pb at = msg, tensor = { 0 }, sequence = { 0 };
    hn_pb_field f;
    hn_list *list;
    while (hn_pb_next(&at, &f)) {
        if (f.key == HN_PB(1, LEN) && name) *name = hn_pb_text(&f);
        if (f.key == HN_PB(3, LEN)) tensor = hn_pb_inside(&f);
        if (f.key == HN_PB(5, LEN)) sequence = hn_pb_inside(&f);
        if (f.key == HN_PB(4, LEN) || f.key == HN_PB(6, LEN) || f.key == HN_PB(7, LEN))
            return hn_fail(r->cx, HN_EUNSUP, "an optional of something other than a tensor or a sequence");
    }
    if (at.damaged)
        return hn_onnx_damaged(r, &msg, "an optional");
    HN_TRY(new_list(r, like, 1, out, &list));
    list->count = tensor.at || sequence.at;
    if (list->count)
        HN_TRY(tensor.at ? hn_onnx_tensor(r, tensor, list->item, NULL)
                         : read_sequence(r, sequence, hn_list_of(like), list->item, NULL));
    if (list->count)
        out->dtype = hn_opt_of(list->item[0].dtype);
    return HN_OK;
}

hn_err hn_onnx_read_value(hn_ctx *cx, const void *data, size_t len, hn_dtype like, hn_arena *a, hn_tensor *out,
                          hn_text *name)
{
    hn_onnx r = { .cx = cx, .arena = a, .scratch = a, .start = data };
    hn_pb msg = hn_pb_over(data, len);
    if ((int)like & HN_OPT)
        return read_optional(&r, msg, like, out, name);
    if ((int)like & HN_SEQ || is_collection(msg))
        return read_sequence(&r, msg, like, out, name);
    return hn_onnx_tensor(&r, msg, out, name);
}
