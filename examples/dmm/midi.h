/* SPDX-License-Identifier: MIT */
/* A piano roll as a standard MIDI file (format 0: one track, one channel), for an
 * ordinary player. Each slice lasts a quarter note; a note that is on in consecutive
 * slices is held, not struck again. Reference: MIDI Association, Standard MIDI Files 1.0,
 * RP-001.
 */
#ifndef DMM_MIDI_H
#define DMM_MIDI_H

#include "data.h"

enum { MIDI_CHURCH_ORGAN = 19, MIDI_CHOIR = 52 }; /* General MIDI programs, from 0 */

/* Writes the file at `tempo` quarter notes per minute, 4 to 1000, with instrument
 * `program`, 0 to 127. The file appears whole or not at all (output.h). Errors name
 * `path`. */
int midi_write(const char *path, const chorale *piece, int tempo, int program,
               char *error, size_t size);

#endif
