/* SPDX-License-Identifier: MIT */
/* Pictures with cairo; see pictures.h. Lengths are in points; a point is SCALE pixels. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#include "pictures.h"

#ifdef HAVE_CAIRO

#include <math.h>
#include <string.h>

#include <cairo.h>

enum { SCALE = 2, WIDTH = 920, GAP = 16, NAME_SIZE = 12, TITLE_SIZE = 17 };
enum { LABEL_ROOM = 80 }; /* left of a frame: tick labels and the axis's name */

typedef struct {
    double red, green, blue;
} colour;

/* Okabe and Ito's palette, told apart also with colour-blind eyes. */
static const colour palette[] = {
    { 0.000, 0.447, 0.698 }, { 0.835, 0.369, 0.000 }, { 0.000, 0.620, 0.451 },
    { 0.800, 0.475, 0.655 }, { 0.337, 0.706, 0.914 }, { 0.902, 0.624, 0.000 },
};
enum { PALETTE = sizeof palette / sizeof *palette };
static const colour ink = { 0.13, 0.13, 0.15 }, faint = { 0.40, 0.40, 0.43 };
static const colour grid = { 0.90, 0.90, 0.92 }, shade = { 0.955, 0.955, 0.965 };

typedef struct {
    cairo_surface_t *surface;
    cairo_t *cr;
} canvas;

typedef struct {
    double x, y, width, height;
} frame;

static void set_colour(cairo_t *cr, colour c, double alpha)
{
    cairo_set_source_rgba(cr, c.red, c.green, c.blue, alpha);
}

static canvas canvas_open(int width, int height)
{
    canvas c;
    c.surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, SCALE * width, SCALE * height);
    c.cr = cairo_create(c.surface);
    cairo_scale(c.cr, SCALE, SCALE);
    cairo_set_source_rgb(c.cr, 1, 1, 1);
    cairo_paint(c.cr);
    cairo_set_line_cap(c.cr, CAIRO_LINE_CAP_ROUND);
    cairo_set_line_join(c.cr, CAIRO_LINE_JOIN_ROUND);
    return c;
}

static cairo_status_t write_bytes(void *out, const unsigned char *bytes, unsigned count)
{
    return output_write(out, bytes, count) == 0 ? CAIRO_STATUS_SUCCESS
                                                : CAIRO_STATUS_WRITE_ERROR;
}

/* Writes the PNG and frees the canvas. cairo keeps the first error of all the drawing. */
static int canvas_close(canvas *c, const char *path, char *error, size_t size)
{
    output out;
    cairo_status_t drawn = cairo_status(c->cr);
    int status = 0;
    if (drawn != CAIRO_STATUS_SUCCESS) {
        status = failure(error, size, "%s: cairo cannot draw it: %s", path,
                      cairo_status_to_string(drawn));
    } else if ((status = output_open(&out, path, error, size)) == 0) {
        drawn = cairo_surface_write_to_png_stream(c->surface, write_bytes, &out);
        if (drawn == CAIRO_STATUS_SUCCESS || drawn == CAIRO_STATUS_WRITE_ERROR) {
            status = output_close(&out, error, size); /* knows the system's reason */
        } else {
            output_abandon(&out);
            status = failure(error, size, "%s: cairo cannot write it: %s", path,
                          cairo_status_to_string(drawn));
        }
    }
    cairo_destroy(c->cr);
    cairo_surface_destroy(c->surface);
    return status;
}

static void set_font(cairo_t *cr, double size, bool bold)
{
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
}

/* Text with the font that is set. `align` 0, 0.5, 1: (x, y) is left end, middle or right
 * end of the base line. Returns the width. */
static double put_text(cairo_t *cr, double x, double y, double align, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cr, text, &extents);
    cairo_move_to(cr, x - align * extents.x_advance, y);
    cairo_show_text(cr, text);
    return extents.x_advance;
}

/* The title; a long one gets smaller letters rather than being cut off. */
static void put_title(cairo_t *cr, const char *title)
{
    cairo_text_extents_t extents;
    double room = WIDTH - 2 * GAP, letters = TITLE_SIZE;
    set_font(cr, letters, true);
    cairo_text_extents(cr, title, &extents);
    if (extents.x_advance > room)
        letters = fmax(NAME_SIZE, letters * room / extents.x_advance);
    set_font(cr, letters, true);
    set_colour(cr, ink, 1);
    put_text(cr, GAP, 30, 0, title);
    set_font(cr, NAME_SIZE, false);
}

static void put_axis_names(cairo_t *cr, frame f, const char *below, const char *left)
{
    set_colour(cr, faint, 1);
    put_text(cr, f.x + f.width / 2, f.y + f.height + 38, 0.5, below);
    cairo_save(cr);
    cairo_translate(cr, f.x - LABEL_ROOM + 18, f.y + f.height / 2);
    cairo_rotate(cr, -acos(0));
    put_text(cr, 0, 0, 0.5, left);
    cairo_restore(cr);
}

/* An axis maps low..high to from..to, by the logarithm if so set. */
typedef struct {
    double low, high, from, to;
    bool logarithmic;
} axis;

static double at(const axis *a, double value)
{
    double part = a->logarithmic ? log(value / a->low) / log(a->high / a->low)
                                 : (value - a->low) / (a->high - a->low);
    return a->from + part * (a->to - a->from);
}

enum { TICKS_MAX = 24 };

typedef struct {
    int count;
    double values[TICKS_MAX];
    int decimals;
} ticks;

/* Multiples of 1, 2 or 5 times a power of ten, at least `apart` points apart and at least
 * `smallest` in value. */
static ticks linear_ticks(const axis *a, double apart, double smallest)
{
    double room = fabs(a->to - a->from) / apart;
    double rough = (a->high - a->low) / fmin(fmax(room, 1), TICKS_MAX - 2);
    double power = pow(10, floor(log10(rough))), step = 10 * power;
    for (int i = 0; i < 3; i++)
        if (rough <= (double[]){ 1, 2, 5 }[i] * power * (1 + 1e-9)) {
            step = (double[]){ 1, 2, 5 }[i] * power;
            break;
        }
    step = fmax(step, smallest);
    ticks t = { .decimals = (int)fmax(0, ceil(-log10(step) - 1e-9)) };
    double first = ceil(a->low / step - 1e-9);
    for (double k = first; k * step <= a->high + 1e-9 * step && t.count < TICKS_MAX; k++)
        t.values[t.count++] = k * step + 0.0; /* + 0.0: no minus zero */
    return t;
}

/* The roundest values first, as long as they keep `apart` points from those before. */
static ticks logarithmic_ticks(const axis *a, double apart)
{
    static const double mantissas[] = { 1, 2, 5, 3, 7, 4, 1.5, 6, 8, 2.5, 9 };
    ticks t = { .decimals = 0 };
    for (size_t m = 0; m < sizeof mantissas / sizeof *mantissas; m++)
        for (double power = pow(10, floor(log10(a->low))); power < a->high; power *= 10) {
            double value = mantissas[m] * power;
            bool fits = value >= a->low && value <= a->high && t.count < TICKS_MAX;
            for (int i = 0; i < t.count && fits; i++)
                fits = fabs(at(a, t.values[i]) - at(a, value)) >= apart;
            if (fits)
                t.values[t.count++] = value;
        }
    return t;
}

/* Grid lines, with their labels if so set. */
static void put_ticks(cairo_t *cr, frame f, const axis *a, const ticks *t, bool vertical,
                      bool labels)
{
    cairo_set_line_width(cr, 1);
    for (int i = 0; i < t->count; i++) {
        double p = at(a, t->values[i]);
        char label[32];
        if (a->logarithmic)
            snprintf(label, sizeof label, "%g", t->values[i]);
        else
            snprintf(label, sizeof label, "%.*f", t->decimals, t->values[i]);
        set_colour(cr, grid, 1);
        cairo_move_to(cr, vertical ? f.x : p, vertical ? p : f.y);
        cairo_line_to(cr, vertical ? f.x + f.width : p, vertical ? p : f.y + f.height);
        cairo_stroke(cr);
        if (!labels)
            continue;
        set_colour(cr, faint, 1);
        if (vertical)
            put_text(cr, f.x - 8, p + 4, 1, label);
        else
            put_text(cr, p, f.y + f.height + 18, 0.5, label);
    }
}

static double curve_x(const curve *c, int i)
{
    return c->x ? c->x[i] : i;
}

static bool usable(const curve *c, int i)
{
    return isfinite(c->y[i]) && isfinite(curve_x(c, i));
}

static void widen(axis *a, double value)
{
    a->low = fmin(a->low, value);
    a->high = fmax(a->high, value);
}

typedef struct {
    const char *title, *below, *left;
    const curve *curves;
    int count;
    const level *levels;
    int level_count;
    bool from_zero; /* the vertical axis shows 0 */
} chart;

/* Ranges of the data in low..high; false where there is nothing to show. */
static bool find_ranges(const chart *c, axis *x, axis *y)
{
    *x = *y = (axis){ .low = INFINITY, .high = -INFINITY };
    for (int k = 0; k < c->count; k++)
        for (int i = 0; i < c->curves[k].count; i++)
            if (usable(&c->curves[k], i)) {
                widen(x, curve_x(&c->curves[k], i));
                widen(y, c->curves[k].y[i]);
            }
    if (x->low > x->high)
        return false;
    for (int k = 0; k < c->level_count; k++)
        if (isfinite(c->levels[k].value))
            widen(y, c->levels[k].value);
    if (x->low == x->high)
        widen(x, x->low + 1);
    if (c->from_zero)
        widen(y, 0);
    y->logarithmic = !c->from_zero && y->low > 0 && y->high > 4 * y->low;
    if (y->logarithmic) {
        double margin = pow(y->high / y->low, 0.04);
        y->low /= margin;
        y->high *= margin;
    } else {
        double margin = fmax(0.05 * (y->high - y->low), 1e-3 * fmax(1, fabs(y->high)));
        y->high += margin;
        y->low -= c->from_zero && y->low == 0 ? 0 : margin;
    }
    return true;
}

static void set_curve_style(cairo_t *cr, const curve *c)
{
    const double dashes[] = { 5, 4 };
    cairo_set_dash(cr, dashes, c->dashed ? 2 : 0, 0);
    cairo_set_line_width(cr, 1.8);
    set_colour(cr, palette[c->colour % PALETTE], 1);
}

static void set_level_style(cairo_t *cr, int k)
{
    const double dashes[] = { 1, 4 };
    cairo_set_dash(cr, dashes, k == 0 ? 0 : 2, 0);
    cairo_set_line_width(cr, 1.4);
    set_colour(cr, ink, 0.75);
}

/* Lines between neighbouring points; dots where there are few. */
static void put_curve(cairo_t *cr, const curve *c, const axis *x, const axis *y)
{
    set_curve_style(cr, c);
    cairo_new_path(cr); /* text leaves a current point */
    for (int i = 0; i < c->count; i++)
        if (usable(c, i))
            cairo_line_to(cr, at(x, curve_x(c, i)), at(y, c->y[i]));
        else
            cairo_new_sub_path(cr); /* a gap */
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0);
    for (int i = 0; i < c->count && c->count <= 32; i++)
        if (usable(c, i)) {
            cairo_arc(cr, at(x, curve_x(c, i)), at(y, c->y[i]), 2.6, 0, 4 * acos(0));
            cairo_fill(cr);
        }
}

enum { LEGEND_LINE = 20, LEGEND_MARK = 26 };

/* One entry, drawn only if `show`; moves (x, y) on, to a new line where the room ends. */
static void put_entry(cairo_t *cr, double *x, double *y, const char *label, bool show)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cr, label, &extents);
    double width = LEGEND_MARK + 6 + extents.x_advance + 22;
    if (*x + width - 22 > WIDTH - GAP && *x > GAP) {
        *x = GAP;
        *y += LEGEND_LINE;
    }
    if (show) {
        cairo_move_to(cr, *x, *y - 4);
        cairo_line_to(cr, *x + LEGEND_MARK, *y - 4);
        cairo_stroke(cr);
        cairo_set_dash(cr, NULL, 0, 0);
        set_colour(cr, ink, 1);
        put_text(cr, *x + LEGEND_MARK + 6, *y, 0, label);
    }
    *x += width;
}

/* The legend between title and frame; returns its last base line. */
static double put_legend(cairo_t *cr, const chart *c, bool show)
{
    double x = GAP, y = 54;
    for (int k = 0; k < c->count; k++) {
        set_curve_style(cr, &c->curves[k]);
        put_entry(cr, &x, &y, c->curves[k].label, show);
    }
    for (int k = 0; k < c->level_count; k++)
        if (isfinite(c->levels[k].value)) {
            char label[128];
            snprintf(label, sizeof label, "%s (%.3f)", c->levels[k].label,
                     c->levels[k].value);
            set_level_style(cr, k);
            put_entry(cr, &x, &y, label, show);
        }
    return y;
}

/* One chart in its frame. */
static void put_chart(cairo_t *cr, const chart *c, frame f, axis x, axis y)
{
    x.from = f.x;
    x.to = f.x + f.width;
    y.from = f.y + f.height;
    y.to = f.y;
    ticks across = linear_ticks(&x, 64, 1);
    ticks up = y.logarithmic ? logarithmic_ticks(&y, 24) : linear_ticks(&y, 36, 0);
    put_ticks(cr, f, &x, &across, false, true);
    put_ticks(cr, f, &y, &up, true, true);
    char left[64];
    snprintf(left, sizeof left, "%s%s", c->left, y.logarithmic ? " (log scale)" : "");
    put_axis_names(cr, f, c->below, left);
    for (int k = 0; k < c->level_count; k++)
        if (isfinite(c->levels[k].value)) {
            set_level_style(cr, k);
            cairo_move_to(cr, f.x, at(&y, c->levels[k].value));
            cairo_line_to(cr, f.x + f.width, at(&y, c->levels[k].value));
            cairo_stroke(cr);
        }
    for (int k = 0; k < c->count; k++)
        put_curve(cr, &c->curves[k], &x, &y);
}

enum { CHARTS_MAX = 2 };

/* Charts above each other, `height` points each, under the title and legend of the first. */
static int draw_charts(const char *path, const chart *charts, int count, int height,
                       char *error, size_t size)
{
    enum { BELOW = 52 };
    axis x[CHARTS_MAX], y[CHARTS_MAX];
    for (int k = 0; k < count; k++)
        if (!find_ranges(&charts[k], &x[k], &y[k]))
            return failure(error, size,
                           "%s: no finite point to draw; evaluate at least once before "
                           "drawing",
                           path);
    canvas ruler = canvas_open(1, 1); /* to measure the legend before the size is known */
    set_font(ruler.cr, NAME_SIZE, false);
    double top = put_legend(ruler.cr, charts, false) + 16;
    cairo_destroy(ruler.cr);
    cairo_surface_destroy(ruler.surface);

    canvas picture = canvas_open(WIDTH, (int)top + count * (height + BELOW));
    put_title(picture.cr, charts->title);
    put_legend(picture.cr, charts, true);
    for (int k = 0; k < count; k++) {
        frame f = { LABEL_ROOM + 4, top + k * (height + BELOW),
                    WIDTH - LABEL_ROOM - 4 - 2 * GAP, height };
        put_chart(picture.cr, &charts[k], f, x[k], y[k]);
    }
    return canvas_close(&picture, path, error, size);
}

static int draw_chart(const char *path, const chart *c, char *error, size_t size)
{
    return draw_charts(path, c, 1, 400, error, size);
}

int picture_bounds(const char *path, const char *title, const curve *curves, int count,
                   const level *levels, int level_count, char *error, size_t size)
{
    const chart c = { title, "epoch", "nats per time step", curves, count, levels,
                      level_count, false };
    return draw_chart(path, &c, error, size);
}

int picture_steps(const char *path, const char *title, const double *kl,
                  const double *reconstruction, int length, char *error, size_t size)
{
    const curve curves[] = {
        { "reconstruction, −log p(x | z)", NULL, reconstruction, length, 0, false },
        { "KL(q(z) || p(z))", NULL, kl, length, 1, false },
    };
    const chart c = { title, "time step", "nats", curves, 2, NULL, 0, true };
    return draw_chart(path, &c, error, size);
}

int picture_ledger(const char *path, const char *title, const curve *mean,
                   const curve *variance, int count, char *error, size_t size)
{
    const chart c[] = {
        { title, "time step", "mean, nats", mean, count, NULL, 0, false },
        { title, "time step", "variance, nats²", variance, count, NULL, 0, false },
    };
    return draw_charts(path, c, 2, 280, error, size);
}

static double intensity(const roll *r, int t, int key)
{
    if (r->probability)
        return r->probability[(size_t)t * KEYS + (size_t)key];
    return slice_has(&r->notes[t], key);
}

/* The keys that some panel shows, with a margin, and at least two octaves; the longest
 * panel's steps. */
static void find_roll_ranges(const roll *rolls, int count, int *low, int *high,
                             int *longest)
{
    *low = KEYS;
    *high = *longest = 0;
    for (int k = 0; k < count; k++) {
        *longest = rolls[k].length > *longest ? rolls[k].length : *longest;
        for (int t = 0; t < rolls[k].length; t++)
            for (int key = 0; key < KEYS; key++)
                if (intensity(&rolls[k], t, key) >= 0.05) {
                    *low = key < *low ? key : *low;
                    *high = key > *high ? key : *high;
                }
    }
    if (*low > *high)
        *low = *high = 39; /* middle C, where all is silent */
    *low -= 2;
    *high += 2;
    while (*high - *low < 24) {
        --*low;
        ++*high;
    }
    *low = *low < 0 ? 0 : *low;
    *high = *high >= KEYS ? KEYS - 1 : *high;
}

/* Shades the rows of black keys up to the piece's end, as editors do; names each C. */
static void put_keys(cairo_t *cr, frame f, int low, int high, double width)
{
    double row = f.height / (high - low + 1);
    for (int key = low; key <= high; key++) {
        int note = key + LOWEST_NOTE;
        double bottom = f.y + (high - key + 1) * row;
        if (strchr("BDGIK", 'A' + note % 12)) { /* C# D# F# G# A# */
            set_colour(cr, shade, 1);
            cairo_rectangle(cr, f.x, bottom - row, width, row);
            cairo_fill(cr);
        }
        if (note % 12 == 0) {
            char label[32];
            snprintf(label, sizeof label, "C%d  %d", note / 12 - 1, note);
            set_colour(cr, faint, 1);
            put_text(cr, f.x - 8, bottom - row / 2 + 4, 1, label);
        }
    }
}

static void put_roll(cairo_t *cr, frame f, const roll *r, int low, int high,
                     const axis *x)
{
    double row = f.height / (high - low + 1), width = at(x, 1) - at(x, 0);
    for (int t = 0; t < r->length; t++)
        for (int key = low; key <= high; key++) {
            double alpha = intensity(r, t, key);
            if (!(alpha > 0))
                continue;
            set_colour(cr, palette[0], fmin(alpha, 1));
            cairo_rectangle(cr, at(x, t), f.y + (high - key) * row + 0.25, width - 0.5,
                            row - 0.5);
            cairo_fill(cr);
        }
}

/* What the depth of colour means, right above a frame. */
static void put_scale(cairo_t *cr, frame f)
{
    double x = f.x + f.width - 130, y = f.y - 8;
    cairo_pattern_t *ramp = cairo_pattern_create_linear(x, 0, x + 100, 0);
    colour c = palette[0];
    cairo_pattern_add_color_stop_rgba(ramp, 0, c.red, c.green, c.blue, 0);
    cairo_pattern_add_color_stop_rgba(ramp, 1, c.red, c.green, c.blue, 1);
    cairo_rectangle(cr, x, y - 10, 100, 10);
    cairo_set_source(cr, ramp);
    cairo_fill(cr);
    cairo_pattern_destroy(ramp);
    set_colour(cr, faint, 1);
    put_text(cr, x - 6, y, 1, "probability  0");
    put_text(cr, x + 106, y, 0, "1");
}

int picture_rolls(const char *path, const char *title, const roll *rolls, int count,
                  char *error, size_t size)
{
    enum { HEIGHT = 190, ABOVE = 34, TOP = 40, BELOW = 52 };
    int low, high, longest;
    find_roll_ranges(rolls, count, &low, &high, &longest);
    if (longest == 0)
        return failure(error, size, "%s: no time step to draw", path);
    canvas picture = canvas_open(WIDTH, TOP + count * (ABOVE + HEIGHT) + BELOW);
    cairo_t *cr = picture.cr;
    put_title(cr, title);
    for (int k = 0; k < count; k++) {
        frame f = { LABEL_ROOM + 4, TOP + ABOVE + k * (ABOVE + HEIGHT),
                    WIDTH - LABEL_ROOM - 4 - 2 * GAP, HEIGHT };
        axis x = { 0, longest, f.x, f.x + f.width, false };
        ticks across = linear_ticks(&x, 64, 1);
        bool last = k == count - 1; /* labels at the bottom only */
        set_font(cr, NAME_SIZE + 1, true);
        set_colour(cr, ink, 1);
        put_text(cr, f.x, f.y - 8, 0, rolls[k].label);
        set_font(cr, NAME_SIZE, false);
        put_keys(cr, f, low, high, at(&x, rolls[k].length) - f.x);
        put_ticks(cr, f, &x, &across, false, last);
        put_roll(cr, f, &rolls[k], low, high, &x);
        put_axis_names(cr, f, last ? "time step" : "", "MIDI note");
        if (rolls[k].probability)
            put_scale(cr, f);
    }
    return canvas_close(&picture, path, error, size);
}

#else /* without cairo */

static int no_cairo(const char *path, char *error, size_t size)
{
    return failure(error, size,
                   "%s: not drawn: this program was built without cairo; install cairo's "
                   "development package and configure again",
                   path);
}

int picture_bounds(const char *path, const char *title, const curve *curves, int count,
                   const level *levels, int level_count, char *error, size_t size)
{
    (void)title, (void)curves, (void)count, (void)levels, (void)level_count;
    return no_cairo(path, error, size);
}

int picture_steps(const char *path, const char *title, const double *kl,
                  const double *reconstruction, int length, char *error, size_t size)
{
    (void)title, (void)kl, (void)reconstruction, (void)length;
    return no_cairo(path, error, size);
}

int picture_ledger(const char *path, const char *title, const curve *mean,
                   const curve *variance, int count, char *error, size_t size)
{
    (void)title, (void)mean, (void)variance, (void)count;
    return no_cairo(path, error, size);
}

int picture_rolls(const char *path, const char *title, const roll *rolls, int count,
                  char *error, size_t size)
{
    (void)title, (void)rolls, (void)count;
    return no_cairo(path, error, size);
}

#endif
