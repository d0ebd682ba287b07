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

hn_err hn_onnx_read_tensor(hn_ctx *cx, const void *data, size_t len, hn_arena *a, hn_tensor *out, hn_text *name)
{
    hn_onnx r = { .cx = cx, .arena = a, .scratch = a, .start = data };
    hn_pb msg = hn_pb_over(data, len);
    if (is_collection(msg))
        return hn_fail(cx, HN_EUNSUP, "a sequence or an optional; Hone has values for tensors only");
    return hn_onnx_tensor(&r, msg, out, name);
}
