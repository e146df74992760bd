/*
 * Octets on their way to the server: appended at the end, taken from the front by the transport.
 * Counts them from the beginning of the session, so that the end of each command has a position.
 * Pure. One thread.
 */
#ifndef POLICY_SMTP_OUT_H
#define POLICY_SMTP_OUT_H

#include <stddef.h>
#include <stdint.h>

struct smtp_out { /* zero-initialised is empty */
    char *data;
    size_t start; /* the first octet that is not written */
    size_t len;   /* octets that are not written */
    size_t room;
    uint64_t written; /* octets written since the session began */
    int error;        /* -ENOMEM once it happened: appends do nothing from then on */
};

void smtp_out_fini(struct smtp_out *out); /* overwrites first: credentials were in it */

/* Drops what is not written. */
void smtp_out_clear(struct smtp_out *out);

/* Makes room for `len` more octets and returns where they go, or NULL. smtp_out_added says how many
 * of them were filled. */
char *smtp_out_reserve(struct smtp_out *out, size_t len);
void smtp_out_added(struct smtp_out *out, size_t len);

void smtp_out_add(struct smtp_out *out, const char *octets, size_t len);
void smtp_out_text(struct smtp_out *out, const char *text);

void smtp_out_take(struct smtp_out *out, size_t len); /* at most what is there */

/* The position behind the last octet that was appended. */
uint64_t smtp_out_end(const struct smtp_out *out);

#endif
