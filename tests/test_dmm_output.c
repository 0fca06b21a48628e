/* SPDX-License-Identifier: MIT */
/* What examples/dmm writes: files that are there whole or not at all, MIDI, pictures. */
#include "dmm_parts.h"

#ifdef HAVE_CAIRO
#include <cairo.h>
#endif

#include "midi.h"
#include "pictures.h"

/* ---- files ---- */

START_TEST(test_output_is_atomic)
{
    write_text("old");
    output out;
    long count;
    ck_assert_int_eq(output_open(&out, path, error, sizeof error), 0);
    ck_assert_int_eq(output_write(&out, "new!", 4), 0);
    unsigned char *bytes = read_bytes(&count);
    ck_assert_str_eq((char *)bytes, "old");
    free(bytes);
    output_abandon(&out);
    bytes = read_bytes(&count);
    ck_assert_str_eq((char *)bytes, "old");
    free(bytes);

    ck_assert_int_eq(output_open(&out, path, error, sizeof error), 0);
    ck_assert_int_eq(output_write(&out, "new!", 4), 0);
    ck_assert_int_eq(output_close(&out, error, sizeof error), 0);
    bytes = read_bytes(&count);
    ck_assert_str_eq((char *)bytes, "new!");
    free(bytes);

    char missing[320];
    snprintf(missing, sizeof missing, "%s/no/file", folder);
    ck_assert_int_eq(output_open(&out, missing, error, sizeof error), -1);
    expect_error(missing, "cannot be written: No such file or directory; give a path in "
                          "an existing folder that you may write to");
}
END_TEST

/* A full disk: the error says so, and the device is still the device. */
static void expect_full(int status)
{
    struct stat st;
    ck_assert_int_eq(status, -1);
    expect_error("/dev/full", "cannot be written: No space left on device; free some "
                              "space or give another path");
    ck_assert_int_eq(stat("/dev/full", &st), 0);
    ck_assert(S_ISCHR(st.st_mode));
}

/* ---- MIDI ---- */

typedef struct {
    const unsigned char *at, *end;
    int ticks, micros, program, strikes, ended;
    long now;
    bool on[128];
} midi_reader;

static long read_quantity(midi_reader *r)
{
    long value = 0;
    do {
        ck_assert(r->at < r->end);
        value = value << 7 | (*r->at & 0x7f);
    } while (*r->at++ & 0x80);
    return value;
}

/* Reads one event, which happens at `now`, and the time up to the next one. */
static void read_event(midi_reader *r)
{
    const unsigned char *e = r->at;
    ck_assert(!r->ended && r->end - e >= 2);
    if (e[0] == 0xff) {
        r->ended = e[1] == 0x2f;
        if (e[1] == 0x51)
            r->micros = e[3] << 16 | e[4] << 8 | e[5];
        r->at += 3 + e[2];
    } else if (e[0] == 0xc0) {
        r->program = e[1];
        r->at += 2;
    } else {
        ck_assert(e[0] == 0x90 || e[0] == 0x80);
        ck_assert(e[1] < 128 && e[2] < 128);
        ck_assert_int_ne(r->on[e[1]], e[0] == 0x90); /* no double strike or release */
        r->on[e[1]] = e[0] == 0x90;
        r->strikes += e[0] == 0x90;
        r->at += 3;
    }
    ck_assert(r->at <= r->end);
    if (!r->ended)
        r->now += read_quantity(r);
}

static midi_reader open_track(const unsigned char *bytes, long count)
{
    const unsigned char head[] = "MThd\0\0\0\6\0\0\0\1"; /* format 0, one track */
    ck_assert_mem_eq(bytes, head, 12);
    ck_assert_mem_eq(bytes + 14, "MTrk", 4);
    long length = (long)bytes[18] << 24 | bytes[19] << 16 | bytes[20] << 8 | bytes[21];
    ck_assert_int_eq(length, count - 22);
    midi_reader r = { .at = bytes + 22, .end = bytes + count, .program = -1,
                      .ticks = bytes[12] << 8 | bytes[13] };
    r.now = read_quantity(&r);
    return r;
}

/* Writes the piece, plays the file back and compares; returns the notes struck. */
static int play_back(const chorale *piece)
{
    int status = midi_write(path, piece, 90, MIDI_CHURCH_ORGAN, error, sizeof error);
    ck_assert_msg(status == 0, "%s", error);
    long count;
    unsigned char *bytes = read_bytes(&count);
    midi_reader r = open_track(bytes, count);
    for (int t = 0; t < piece->length; t++) {
        while (!r.ended && r.now <= (long)t * r.ticks)
            read_event(&r);
        for (int note = 0; note < 128; note++) {
            bool expected = note >= LOWEST_NOTE && note <= HIGHEST_NOTE
                            && slice_has(&piece->slices[t], note - LOWEST_NOTE);
            ck_assert_int_eq(r.on[note], expected);
        }
    }
    while (!r.ended)
        read_event(&r);
    ck_assert(r.at == r.end);
    ck_assert_int_eq(r.now, (long)piece->length * r.ticks); /* with a silent end */
    for (int note = 0; note < 128; note++)
        ck_assert(!r.on[note]);
    ck_assert_int_eq(r.micros, 60000000 / 90);
    ck_assert_int_eq(r.program, MIDI_CHURCH_ORGAN);
    free(bytes);
    return r.strikes;
}

START_TEST(test_midi)
{
    for (int i = 0; i < data.splits[CHORALES_TEST].count; i++)
        play_back(&data.splits[CHORALES_TEST].pieces[i]);
    enum { LONG = 5000 }; /* its silence needs three bytes of delta time */
    slice slices[LONG] = { { { 0 } } };
    for (int t = 0; t < 3; t++)
        slice_add(&slices[t], 0); /* held: struck once */
    slice_add(&slices[4], 0);
    slice_add(&slices[4000], KEYS - 1);
    ck_assert_int_eq(play_back(&(chorale){ LONG, slices }), 3);
    for (int t = 0; t < 40; t++)
        for (int key = 0; key < KEYS; key++)
            if ((t + key) % 2)
                slice_add(&slices[t], key); /* as dense as can be: the room suffices */
    play_back(&(chorale){ 40, slices });
}
END_TEST

START_TEST(test_midi_errors)
{
    const chorale *piece = &data.splits[CHORALES_TEST].pieces[0];
    ck_assert_int_eq(midi_write(path, &(chorale){ 0 }, 90, 0, error, sizeof error), -1);
    expect_error(path, "0 time steps do not fit a MIDI file; give 1..559240");
    ck_assert_int_eq(midi_write(path, piece, 3, 0, error, sizeof error), -1);
    expect_error(path, "tempo 3 and program 0; a tempo is 4..1000 quarter notes per "
                       "minute, a program 0..127");
    ck_assert_int_eq(midi_write(path, piece, 90, 128, error, sizeof error), -1);
    ck_assert_int_ne(access(path, F_OK), 0);
    if (access("/dev/full", W_OK) == 0)
        expect_full(midi_write("/dev/full", piece, 90, 0, error, sizeof error));
}
END_TEST

/* ---- pictures ---- */

static int draw(int which, const char *file)
{
    static const double x[] = { 1, 50, 100 }, y[] = { 61, NAN, 8 }, flat[] = { 9, 9, 9 };
    static const double kl[] = { 1, -0.2, 2 };
    float probability[3 * KEYS] = { [40] = 0.5f, [KEYS + 41] = 1 };
    const chorale *piece = &data.splits[CHORALES_TEST].pieces[0];
    const curve curves[] = { { "train", x, y, 3, 0, false },
                             { "valid", x, flat, 3, 1, true } };
    const level levels[] = { { "exact entropy", 3.55 }, { "unknown", NAN } };
    const roll rolls[] = { { "test piece", piece->slices, NULL, piece->length },
                           { "reconstruction", NULL, probability, 3 } };
    switch (which) {
    case 0:
        return picture_bounds(file, "Bound", curves, 2, levels, 2, error, sizeof error);
    case 1:
        return picture_bounds(file,
                              "A title that is much too long for the picture, so that "
                              "its letters have to become smaller, but never too small "
                              "to read",
                              &curves[1], 1, NULL, 0, error, sizeof error);
    case 2:
        return picture_steps(file, "Steps", kl, flat, 3, error, sizeof error);
    case 3:
        return picture_ledger(file, "Ledger", curves, curves, 2, error, sizeof error);
    default:
        return picture_rolls(file, "Rolls", rolls, 2, error, sizeof error);
    }
}

#ifdef HAVE_CAIRO

/* cairo keeps fonts until exit, where fontconfig loses some: not a leak of ours. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig\n";
}

/* Most of a picture is white, some is not, and the rim is clean: nothing is cut off. */
START_TEST(test_picture)
{
    ck_assert_msg(draw(_i, path) == 0, "%s", error);
    cairo_surface_t *surface = cairo_image_surface_create_from_png(path);
    ck_assert_int_eq(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
    int width = cairo_image_surface_get_width(surface);
    int height = cairo_image_surface_get_height(surface), marked = 0, edge = 0;
    const unsigned char *pixels = cairo_image_surface_get_data(surface);
    ck_assert_int_eq(width, 1840);
    ck_assert_int_ge(height, 800);
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++) {
            const unsigned char *p = pixels + i * cairo_image_surface_get_stride(surface)
                                     + 4 * j;
            bool drawn = p[0] != 255 || p[1] != 255 || p[2] != 255;
            marked += drawn;
            edge += drawn && (i < 8 || j < 8 || i >= height - 8 || j >= width - 8);
        }
    ck_assert_int_gt(marked, 5000);
    ck_assert_int_lt(marked, width * height / 2);
    ck_assert_int_eq(edge, 0);
    cairo_surface_destroy(surface);
    if (access("/dev/full", W_OK) == 0)
        expect_full(draw(_i, "/dev/full"));
}
END_TEST

START_TEST(test_picture_of_nothing)
{
    const curve empty = { "valid", NULL, NULL, 0, 0, false };
    int status = picture_bounds(path, "x", &empty, 1, NULL, 0, error, sizeof error);
    ck_assert_int_eq(status, -1);
    expect_error(path, "no finite point to draw; evaluate at least once before drawing");
    ck_assert_int_eq(picture_rolls(path, "x", NULL, 0, error, sizeof error), -1);
    expect_error(path, "no time step to draw");
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

#else

START_TEST(test_picture)
{
    ck_assert_int_eq(draw(_i, path), -1);
    expect_error(path, "not drawn: this program was built without cairo; install cairo's "
                       "development package and configure again");
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

#endif

int main(void)
{
    Suite *suite = suite_create("dmm output");
    TCase *out = add_case(suite, "files, midi and pictures");

    tcase_add_test(out, test_output_is_atomic);
    tcase_add_test(out, test_midi);
    tcase_add_test(out, test_midi_errors);
    tcase_add_loop_test(out, test_picture, 0, 5);
#ifdef HAVE_CAIRO
    tcase_add_test(out, test_picture_of_nothing);
#endif
    return run_suite(suite);
}
