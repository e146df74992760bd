/*
 * The message's side of DSN redaction (RFC 8689 section 5): reads the bounce's own header, chooses
 * how its body is walked through (dsn_walk.c), puts together what was found out about the message
 * that bounced (dsn_evidence.c), and lists the changes of the bounce's header that follow.
 */
#include "dsn/dsn_rewrite.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Fields about the body, wrong once it is replaced. All are optional, so they are deleted: what a
 * Content-Length counts depends on how the next one stores line ends. */
static const char *const body_fields[] = {"Content-Length", "Content-MD5", "Lines"};

enum { N_BODY_FIELDS = sizeof(body_fields) / sizeof(body_fields[0]) };

struct dsn_rewrite {
    struct dsn_rewrite_hooks hooks;
    struct dsn_evidence evidence;
    struct dsn_walk *walk; /* own; from the first piece of the body on */

    struct mime_content_type type; /* of the first Content-Type */
    int n_types;
    int n_encodings;
    bool type_readable;
    bool is_report; /* one of the types is multipart/report */
    enum mime_encoding encoding;
    bool has_mime_version;
    bool has_tls_required;
    int n_body_fields[N_BODY_FIELDS];

    struct dsn_rewrite_result result;
    bool add_mime_version;
    bool add_tls_required;
};

struct dsn_rewrite *dsn_rewrite_new(const struct dsn_rewrite_hooks *hooks)
{
    struct dsn_rewrite *rewrite = calloc(1, sizeof(*rewrite));

    if (rewrite == NULL)
        return NULL;
    rewrite->hooks = *hooks;
    dsn_evidence_init(&rewrite->evidence, hooks->known_id, hooks->known_id_arg);
    return rewrite;
}

void dsn_rewrite_free(struct dsn_rewrite *rewrite)
{
    if (rewrite == NULL)
        return;
    dsn_walk_free(rewrite->walk);
    free(rewrite);
}

static void take_content_type(struct dsn_rewrite *rewrite, const char *value)
{
    struct mime_content_type type;
    bool readable = mime_header_content_type(value, strlen(value), &type) == 0;

    if (rewrite->n_types == 0) {
        rewrite->type = type;
        rewrite->type_readable = readable;
    }
    if (rewrite->n_types < INT_MAX)
        rewrite->n_types++;
    if (mime_header_is(&type, "multipart", "report"))
        rewrite->is_report = true;
}

void dsn_rewrite_header(struct dsn_rewrite *rewrite, const char *name, const char *value)
{
    if (strcasecmp(name, "Content-Type") == 0) {
        take_content_type(rewrite, value);
    } else if (strcasecmp(name, "Content-Transfer-Encoding") == 0) {
        enum mime_encoding encoding = mime_header_encoding(value, strlen(value));

        if (encoding != MIME_ENCODING_IDENTITY)
            rewrite->encoding = encoding;
    } else if (strcasecmp(name, "MIME-Version") == 0) {
        rewrite->has_mime_version = true;
    } else if (strcasecmp(name, "TLS-Required") == 0) {
        rewrite->has_tls_required = true;
    }
    for (size_t i = 0; i < N_BODY_FIELDS; i++) {
        if (strcasecmp(name, body_fields[i]) == 0 && rewrite->n_body_fields[i] < INT_MAX)
            rewrite->n_body_fields[i]++;
    }
}

/* Whether the parts of the body can be told apart. */
static bool has_parts(const struct dsn_rewrite *rewrite)
{
    return rewrite->n_types == 1 && rewrite->type_readable &&
           strcmp(rewrite->type.type, "multipart") == 0 &&
           rewrite->type.boundary_status == MIME_PARAM_OK &&
           rewrite->encoding == MIME_ENCODING_IDENTITY;
}

bool dsn_rewrite_wanted(const struct dsn_rewrite *rewrite)
{
    return rewrite->is_report || has_parts(rewrite);
}

static int start_walk(struct dsn_rewrite *rewrite)
{
    if (rewrite->walk != NULL)
        return 0;
    rewrite->walk = dsn_walk_new(has_parts(rewrite) ? &rewrite->type : NULL, rewrite->encoding,
                                 rewrite->hooks.sink, rewrite->hooks.sink_arg, &rewrite->evidence);
    if (rewrite->walk == NULL)
        return -ENOMEM;
    dsn_walk_keep_whole(rewrite->walk, rewrite->hooks.whole_sink, rewrite->hooks.whole_sink_arg);
    return 0;
}

int dsn_rewrite_body(struct dsn_rewrite *rewrite, const char *data, size_t len)
{
    int error = start_walk(rewrite);

    return error < 0 ? error : dsn_walk_feed(rewrite->walk, data, len);
}

int dsn_rewrite_end(struct dsn_rewrite *rewrite, struct dsn_rewrite_result *out)
{
    struct dsn_rewrite_result *result = &rewrite->result;
    int error = start_walk(rewrite);

    if (error == 0)
        error = dsn_walk_end(rewrite->walk);
    if (error < 0)
        return error;
    if (rewrite->evidence.require)
        result->request = DSN_REWRITE_REQUIRE;
    else if (dsn_evidence_optional(&rewrite->evidence))
        result->request = DSN_REWRITE_OPTIONAL;
    /* Tickets go from any bounce; no content is worth losing for them. */
    result->whole = !rewrite->evidence.require && dsn_walk_redacted(rewrite->walk) &&
                    dsn_walk_whole_len(rewrite->walk) > 0;
    result->tickets_only =
        result->whole || (!dsn_walk_redacted(rewrite->walk) && dsn_walk_tickets(rewrite->walk));
    result->replace_body =
        result->tickets_only || (rewrite->evidence.require && dsn_walk_redacted(rewrite->walk));
    result->body_len =
        result->whole ? dsn_walk_whole_len(rewrite->walk) : dsn_walk_output_len(rewrite->walk);
    rewrite->add_mime_version = result->replace_body && !rewrite->has_mime_version;
    rewrite->add_tls_required =
        result->request == DSN_REWRITE_OPTIONAL && !rewrite->has_tls_required;
    *out = *result;
    return 0;
}

void dsn_rewrite_keep_body(struct dsn_rewrite *rewrite)
{
    if (!rewrite->result.tickets_only)
        return;
    rewrite->result.replace_body = false;
    rewrite->add_mime_version = false;
}

static bool set_change(struct dsn_rewrite_change *out, const char *name, const char *value,
                       int index)
{
    out->name = name;
    out->value = value;
    out->index = index;
    return true;
}

bool dsn_rewrite_next_change(struct dsn_rewrite *rewrite, struct dsn_rewrite_change *out)
{
    for (size_t i = 0; i < N_BODY_FIELDS && rewrite->result.replace_body; i++) {
        /* From the last one down: not all MTAs count the deleted ones. */
        if (rewrite->n_body_fields[i] > 0)
            return set_change(out, body_fields[i], NULL, rewrite->n_body_fields[i]--);
    }
    if (rewrite->add_mime_version) {
        rewrite->add_mime_version = false;
        return set_change(out, "MIME-Version", "1.0", 0);
    }
    if (rewrite->add_tls_required) {
        rewrite->add_tls_required = false;
        return set_change(out, "TLS-Required", "No", 0);
    }
    return false;
}
