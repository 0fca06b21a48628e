/* SPDX-License-Identifier: MIT */
/* Error sentences and atomic files; see output.h. */
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* realpath, fsync, fileno */
#endif
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int failure(char *error, size_t size, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(error, size, format, list);
    va_end(list);
    return -1;
}

static void forget(output *out)
{
    free(out->path);
    free(out->temporary);
    *out = (output){ 0 };
}

int output_open(output *out, const char *path, char *error, size_t size)
{
    *out = (output){ 0 };
    out->path = realpath(path, NULL);
    struct stat st;
    int direct = out->path && stat(out->path, &st) == 0 && !S_ISREG(st.st_mode);
    if (!out->path)
        out->path = strdup(path); /* a new file */
    if (!out->path)
        return failure(error, size, "%s: out of memory", path);
    if (!direct) {
        size_t room = strlen(out->path) + 32;
        out->temporary = malloc(room);
        if (!out->temporary) {
            forget(out);
            return failure(error, size, "%s: out of memory", path);
        }
        snprintf(out->temporary, room, "%s.%ld.tmp", out->path, (long)getpid());
    }
    int flags = direct ? O_WRONLY : O_WRONLY | O_CREAT | O_TRUNC;
    int descriptor = open(direct ? out->path : out->temporary, flags, 0666);
    out->file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    if (out->file)
        return 0;
    int code = errno;
    if (descriptor >= 0) {
        close(descriptor);
        if (!direct)
            unlink(out->temporary);
    }
    forget(out);
    return failure(error, size,
                   "%s: cannot be written: %s; give a path in an existing folder that "
                   "you may write to",
                   path, strerror(code));
}

int output_write(output *out, const void *bytes, size_t count)
{
    if (out->code == 0 && fwrite(bytes, 1, count, out->file) != count)
        out->code = errno;
    return out->code == 0 ? 0 : -1;
}

int output_close(output *out, char *error, size_t size)
{
    int code = out->code;
    /* A device or pipe cannot be synced (EINVAL); a file can. */
    if (code == 0 && (fflush(out->file) != 0
                      || (out->temporary && fsync(fileno(out->file)) != 0)))
        code = errno;
    if (fclose(out->file) != 0 && code == 0)
        code = errno;
    if (code == 0 && out->temporary && rename(out->temporary, out->path) != 0)
        code = errno;
    if (code != 0) {
        if (out->temporary)
            unlink(out->temporary);
        failure(error, size,
                "%s: cannot be written: %s; free some space or give another path",
                out->path, strerror(code));
    }
    forget(out);
    return code == 0 ? 0 : -1;
}

void output_abandon(output *out)
{
    fclose(out->file);
    if (out->temporary)
        unlink(out->temporary);
    forget(out);
}
