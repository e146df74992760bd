/*
 * Credentials of next-hops, from a file that few may read. credentials_read looks at who can read
 * the file once it is open, takes it into memory in one piece, and cuts that into lines and words;
 * nothing of it is copied. The entries are sorted by next-hop: credentials_find searches them. The
 * last credentials_unref overwrites the piece.
 */
#include "config/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1024 * 1024 };

struct entry {
    char nexthop[NEXTHOP_TEXT_MAX + 1]; /* in its canonical form */
    const char *user, *password;        /* in `octets` */
    unsigned line;
};

struct credentials {
    unsigned references;
    char *octets; /* the file, and a NUL */
    size_t size;  /* of the allocation */
    struct entry *entries;
    size_t count;
};

struct reader {
    const char *path;
    char *err;
    size_t err_size;
};

static int fail(const struct reader *r, unsigned line, const char *what)
{
    if (line > 0)
        snprintf(r->err, r->err_size, "%s:%u: %s", r->path, line, what);
    else
        snprintf(r->err, r->err_size, "%s: %s", r->path, what);
    return -EINVAL;
}

static int fail_errno(const struct reader *r, int error)
{
    snprintf(r->err, r->err_size, "%s: %s", r->path, strerror(error));
    return -error;
}

/* --- the file --------------------------------------------------------------------------------- */

static int check_file(const struct reader *r, const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return fail(r, 0, "is no regular file");
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return fail(r, 0, "belongs to neither root nor this user");
    if ((st->st_mode & (S_IRWXO | S_IWGRP)) != 0)
        return fail(r, 0, "others can read it or write to it: chmod 0640");
    if ((st->st_mode & S_IRGRP) != 0 && st->st_gid != 0 && st->st_gid != getegid())
        return fail(r, 0, "a group that is not this daemon's can read it: chmod 0600, or chgrp");
    if (st->st_size > FILE_MAX)
        return fail(r, 0, "is longer than 1 MiB");
    return 0;
}

/* Into c->octets, which ends with NUL. The file may grow meanwhile: the rest is not read. */
static int read_octets(const struct reader *r, int fd, struct credentials *c)
{
    struct stat st;
    size_t len = 0;
    ssize_t n = 1;
    int error;

    if (fstat(fd, &st) != 0)
        return fail_errno(r, errno);
    error = check_file(r, &st);
    if (error != 0)
        return error;
    c->size = (size_t)st.st_size + 1;
    c->octets = calloc(1, c->size);
    if (c->octets == NULL)
        return fail_errno(r, ENOMEM);
    while (len < c->size - 1 && n > 0) {
        n = read(fd, c->octets + len, c->size - 1 - len);
        if (n < 0 && errno != EINTR)
            return fail_errno(r, errno);
        if (n < 0)
            n = 1;
        else
            len += (size_t)n;
    }
    if (memchr(c->octets, '\0', len) != NULL)
        return fail(r, 0, "holds a NUL");
    return 0;
}

/* --- its lines -------------------------------------------------------------------------------- */

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

static struct entry *append(struct credentials *c)
{
    size_t room = c->count == 0 ? 8 : c->count * 2;
    struct entry *grown;

    if (c->count == 0 || (c->count >= 8 && (c->count & (c->count - 1)) == 0)) {
        grown = realloc(c->entries, room * sizeof(*grown));
        if (grown == NULL)
            return NULL;
        c->entries = grown;
    }
    return &c->entries[c->count++];
}

static int read_line(const struct reader *r, struct credentials *c, char *line, unsigned number)
{
    static const char blanks[] = " \t";
    char *user, *colon;
    struct nexthop nexthop;
    struct entry *entry;

    line += strspn(line, blanks);
    if (*line == '\0' || *line == '#')
        return 0;
    user = line + strcspn(line, blanks);
    if (*user != '\0')
        *user++ = '\0';
    user += strspn(user, blanks);
    colon = strchr(user, ':');
    if (colon == NULL || colon == user || colon[1] == '\0')
        return fail(r, number, "expected a next-hop, a blank, user:password");
    *colon = '\0';
    if (nexthop_parse(line, &nexthop) != 0)
        return fail(r, number, "what comes first is no next-hop: a domain, [host] or [host]:port");
    if (has_control(user) || has_control(colon + 1))
        return fail(r, number, "a control character");
    if (strlen(user) > CREDENTIALS_WORD_MAX || strlen(colon + 1) > CREDENTIALS_WORD_MAX)
        return fail(r, number, "user name or password is longer than 1000 octets");
    entry = append(c);
    if (entry == NULL)
        return fail_errno(r, ENOMEM);
    *entry = (struct entry){.user = user, .password = colon + 1, .line = number};
    memcpy(entry->nexthop, nexthop.text, sizeof(entry->nexthop));
    return 0;
}

static int by_nexthop(const void *a, const void *b)
{
    const struct entry *one = a, *other = b;
    int order = strcmp(one->nexthop, other->nexthop);

    return order != 0 ? order : (one->line > other->line) - (one->line < other->line);
}

static int read_lines(const struct reader *r, struct credentials *c)
{
    char *line = c->octets;
    int error = 0;

    for (unsigned number = 1; line != NULL && error == 0; number++) {
        char *end = strchr(line, '\n');

        if (end != NULL)
            *end++ = '\0';
        error = read_line(r, c, line, number);
        line = end;
    }
    if (error != 0 || c->count == 0)
        return error;
    qsort(c->entries, c->count, sizeof(*c->entries), by_nexthop);
    for (size_t i = 1; i < c->count; i++)
        if (strcmp(c->entries[i].nexthop, c->entries[i - 1].nexthop) == 0)
            return fail(r, c->entries[i].line, "a second line for this next-hop");
    return 0;
}

/* --- public ----------------------------------------------------------------------------------- */

int credentials_read(const char *path, struct credentials **out, char *err, size_t err_size)
{
    const struct reader r = {path, err, err_size};
    struct credentials *c = calloc(1, sizeof(*c));
    int error, fd;

    *out = NULL;
    if (c == NULL)
        return fail_errno(&r, ENOMEM);
    c->references = 1;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        error = fail_errno(&r, errno);
    } else {
        error = read_octets(&r, fd, c);
        close(fd);
    }
    if (error == 0)
        error = read_lines(&r, c);
    if (error != 0)
        credentials_unref(c);
    else
        *out = c;
    return error;
}

struct credentials *credentials_ref(struct credentials *credentials)
{
    credentials->references++;
    return credentials;
}

void credentials_unref(struct credentials *credentials)
{
    if (credentials == NULL || --credentials->references > 0)
        return;
    if (credentials->octets != NULL)
        explicit_bzero(credentials->octets, credentials->size);
    free(credentials->octets);
    free(credentials->entries);
    free(credentials);
}

bool credentials_find(const struct credentials *credentials, const struct nexthop *nexthop,
                      const char **user, const char **password)
{
    size_t low = 0, high = credentials != NULL ? credentials->count : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct entry *entry = &credentials->entries[middle];
        int order = strcmp(nexthop->text, entry->nexthop);

        if (order == 0) {
            *user = entry->user;
            *password = entry->password;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}
