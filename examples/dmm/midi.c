/* SPDX-License-Identifier: MIT */
/* Standard MIDI files; see midi.h. */
#include "midi.h"

#include <stdlib.h>
#include <string.h>

enum { TICKS = 480, VELOCITY = 80 };     /* ticks per quarter note; mezzo-forte */
enum { LONGEST_DELTA = 0x0fffffff };     /* four bytes of seven bits */
enum { HEAD_BYTES = 64, EVENT_BYTES = 7 }; /* at most: all but notes; one note event */

/* The track while it is built; its room is counted beforehand. */
typedef struct {
    unsigned char *bytes;
    size_t count;
    long delta; /* ticks since the last event */
} track;

static void put(track *out, const void *bytes, size_t count)
{
    memcpy(out->bytes + out->count, bytes, count);
    out->count += count;
}

/* The time since the last event, as a variable-length quantity, then the event. */
static void put_event(track *out, const unsigned char *event, size_t count)
{
    for (int shift = 21; shift > 0; shift -= 7)
        if (out->delta >> shift)
            put(out, &(unsigned char){ (unsigned char)(0x80 | (out->delta >> shift)) },
                1);
    put(out, &(unsigned char){ (unsigned char)(out->delta & 0x7f) }, 1);
    put(out, event, count);
    out->delta = 0;
}

/* Note off (0x80) or on (0x90) for each key that is in `now` and not in `other`. */
static void put_notes(track *out, const slice *now, const slice *other,
                      unsigned char status)
{
    for (int key = 0; key < KEYS; key++)
        if (slice_has(now, key) && !slice_has(other, key))
            put_event(out, (unsigned char[]){ status, (unsigned char)(key + LOWEST_NOTE),
                                              VELOCITY }, 3);
}

static void put_track(track *out, const chorale *piece, int tempo, int program)
{
    unsigned micros = 60000000u / (unsigned)tempo; /* per quarter note */
    put_event(out,
              (unsigned char[]){ 0xff, 0x51, 3, (unsigned char)(micros >> 16),
                                 (unsigned char)(micros >> 8), (unsigned char)micros },
              6);
    put_event(out, (unsigned char[]){ 0xff, 0x58, 4, 4, 2, 24, 8 }, 7); /* 4/4 */
    put_event(out, (unsigned char[]){ 0xc0, (unsigned char)program }, 2);
    slice before = { { 0 } };
    for (int t = 0; t < piece->length; t++) {
        const slice *now = &piece->slices[t];
        put_notes(out, &before, now, 0x80);
        put_notes(out, now, &before, 0x90);
        before = *now;
        out->delta += TICKS;
    }
    put_notes(out, &before, &(slice){ { 0 } }, 0x80);
    put_event(out, (unsigned char[]){ 0xff, 0x2f, 0 }, 3); /* end of track */
}

/* Two events per sounding key and slice at most. */
static size_t track_room(const chorale *piece)
{
    size_t notes = 0;
    for (int t = 0; t < piece->length; t++)
        for (int key = 0; key < KEYS; key++)
            notes += slice_has(&piece->slices[t], key);
    return HEAD_BYTES + 2 * EVENT_BYTES * notes;
}

int midi_write(const char *path, const chorale *piece, int tempo, int program,
               char *error, size_t size)
{
    if (piece->length < 1 || piece->length > LONGEST_DELTA / TICKS)
        return failure(error, size,
                       "%s: %d time steps do not fit a MIDI file; give 1..%d", path,
                       piece->length, LONGEST_DELTA / TICKS);
    if (tempo < 4 || tempo > 1000 || program < 0 || program > 127)
        return failure(error, size,
                       "%s: tempo %d and program %d; a tempo is 4..1000 quarter notes "
                       "per minute, a program 0..127",
                       path, tempo, program);
    track body = { .bytes = malloc(track_room(piece)) };
    if (!body.bytes)
        return failure(error, size, "%s: out of memory for %d time steps", path,
                       piece->length);
    put_track(&body, piece, tempo, program);
    const unsigned char header[] = {
        'M', 'T', 'h', 'd', 0, 0, 0, 6, 0, 0, 0, 1, TICKS >> 8, TICKS & 0xff,
        'M', 'T', 'r', 'k', (unsigned char)(body.count >> 24),
        (unsigned char)(body.count >> 16), (unsigned char)(body.count >> 8),
        (unsigned char)body.count,
    };
    output out;
    int status = output_open(&out, path, error, size);
    if (status == 0) {
        output_write(&out, header, sizeof header);
        output_write(&out, body.bytes, body.count);
        status = output_close(&out, error, size);
    }
    free(body.bytes);
    return status;
}
