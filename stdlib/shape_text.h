/* SPDX-License-Identifier: MIT */
/*
 * shape_text.h - shapes within the error texts of stdlib/: SHAPE_TEXT(shape) and
 * SHAPE_OF(tensor) live until the end of the block they stand in.
 */
#ifndef KILN_SHAPE_TEXT_H
#define KILN_SHAPE_TEXT_H

#include <kiln/tensor.h>

#define SHAPE_TEXT(shape) \
    ppl_shape_text((ppl_shape[]){ shape }, (char[PPL_SHAPE_TEXT]){ 0 })
#define SHAPE_OF(tensor) ((tensor) ? SHAPE_TEXT(ppl_tensor_shape(tensor)) : "NULL")

#endif
