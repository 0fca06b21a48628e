/* SPDX-License-Identifier: MIT */
/*
 * shape_text.h - "[20,88]" for the error texts of stdlib/.
 *
 * SHAPE_TEXT(shape) and SHAPE_OF(tensor) live until the end of the block they stand in.
 */
#ifndef KILN_SHAPE_TEXT_H
#define KILN_SHAPE_TEXT_H

#include <kiln/tensor.h>

#include <stdio.h>

#define SHAPE_TEXT_SIZE (2 + PPL_MAX_RANK * 21)
#define SHAPE_TEXT(shape) shape_text_in(shape, (char[SHAPE_TEXT_SIZE]){ 0 })
#define SHAPE_OF(tensor) ((tensor) ? SHAPE_TEXT(ppl_tensor_shape(tensor)) : "NULL")

static inline const char *shape_text_in(ppl_shape shape, char buffer[SHAPE_TEXT_SIZE])
{
    int used = snprintf(buffer, SHAPE_TEXT_SIZE, "[");
    for (int i = 0; i < shape.rank; i++)
        used += snprintf(buffer + used, SHAPE_TEXT_SIZE - (size_t)used, "%s%lld",
                         i ? "," : "", (long long)shape.dim[i]);
    snprintf(buffer + used, SHAPE_TEXT_SIZE - (size_t)used, "]");
    return buffer;
}

#endif
