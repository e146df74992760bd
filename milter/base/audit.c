/*
 * The template language is that of Postfix's mac_expand(3), without its logical expressions:
 *
 *   $$                    a `$`
 *   $name, ${name}, $(name)
 *                         the value, empty if there is none. It is not expanded again.
 *   ${name?text}          text if the value is not empty
 *   ${name:text}          text if it is
 *   ${name?{text1}:text2} one or the other
 *
 * A text is expanded like the whole, so that it may have further names in it. It ends at the
 * bracket that closes its `${` (brackets of the other kind are not counted), and may stand in
 * braces of its own, with blanks around them; only then can it have a `:` after it.
 *
 * audit_check walks through all of the template, audit_expand through what the values select; both
 * by walk_text. What a check has passed is expanded without an error.
 */
#include "base/audit.h"

#include "base/log.h"
#include "base/text.h"

#include <stdbool.h>
#include <string.h>

enum {
    DEPTH_MAX = 20, /* of texts in texts: protects the stack */
    EXPANDED_MAX = 4096,
};

struct walk {
    const struct audit_values *values; /* NULL: a check; every text is walked through */
    struct text out;
    const char *error;
};

static const char *const names[] = {
    [AUDIT_RELAY] = "relay",
    [AUDIT_LEVEL] = "level",
    [AUDIT_POLICY] = "policy",
    [AUDIT_AUTH] = "auth",
    [AUDIT_PROTOCOL] = "protocol",
    [AUDIT_CIPHER] = "cipher",
    [AUDIT_CERT_DIGEST] = "cert_digest",
    [AUDIT_SPKI_DIGEST] = "spki_digest",
};

static void walk_text(struct walk *walk, const char *at, const char *end, unsigned depth);

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static const char *skip_name(const char *at, const char *end)
{
    while (at < end && is_name(*at))
        at++;
    return at;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && text_is_fws(*at))
        at++;
    return at;
}

/* The bracket that closes the one before `at`; NULL if there is none. */
static const char *closing(const char *at, const char *end, char open, char close)
{
    for (unsigned level = 1; at < end; at++) {
        if (*at == open)
            level++;
        else if (*at == close && --level == 0)
            return at;
    }
    return NULL;
}

/* The value of a name; NULL with an error set: there is no such name. */
static const char *value_of(struct walk *walk, const char *name, size_t len)
{
    for (unsigned i = 0; i < AUDIT_NAMES; i++) {
        const char *value;

        if (strlen(names[i]) != len || memcmp(names[i], name, len) != 0)
            continue;
        value = walk->values != NULL ? walk->values->of[i] : NULL;
        return value != NULL ? value : "";
    }
    walk->error = "it has a name that is none of relay, level, policy, auth, protocol, cipher, "
                  "cert_digest and spki_digest";
    return NULL;
}

/* Finds the text that begins at `at`, in braces or not. Returns where it is over, NULL after an
 * error. */
static const char *find_text(struct walk *walk, const char *at, const char *end, const char **text,
                             const char **text_end)
{
    const char *open = skip_blanks(at, end);

    if (open == end || *open != '{') {
        *text = at;
        *text_end = end;
        return end;
    }
    *text = open + 1;
    *text_end = closing(open + 1, end, '{', '}');
    if (*text_end == NULL) {
        walk->error = "a { is not closed";
        return NULL;
    }
    return skip_blanks(*text_end + 1, end);
}

/* What stands between ${ and }. */
static void walk_expression(struct walk *walk, const char *at, const char *end, unsigned depth)
{
    const char *after = skip_name(at, end), *value, *text, *text_end;

    if (after == at || (after < end && *after != '?' && *after != ':')) {
        walk->error = "a name is missing, or has other octets than letters, digits and _";
        return;
    }
    value = value_of(walk, at, (size_t)(after - at));
    if (value == NULL)
        return;
    if (after == end) {
        text_add(&walk->out, value);
        return;
    }
    if (*after == '?') {
        after = find_text(walk, after + 1, end, &text, &text_end);
        if (after == NULL)
            return;
        if (walk->values == NULL || value[0] != '\0')
            walk_text(walk, text, text_end, depth + 1);
        if (after == end || walk->error != NULL)
            return;
    }
    if (*after != ':') {
        walk->error = "a text in braces is followed by something else than : and a text";
        return;
    }
    after = find_text(walk, after + 1, end, &text, &text_end);
    if (after == NULL)
        return;
    if (after != end) {
        walk->error = "a text in braces is followed by something else than : and a text";
        return;
    }
    if (walk->values == NULL || value[0] == '\0')
        walk_text(walk, text, text_end, depth + 1);
}

static void walk_text(struct walk *walk, const char *at, const char *end, unsigned depth)
{
    if (depth > DEPTH_MAX) {
        walk->error = "texts are nested too deeply";
        return;
    }
    while (at < end && walk->error == NULL) {
        const char *close;

        if (*at != '$' || (at + 1 < end && at[1] == '$')) {
            text_add_n(&walk->out, at, 1);
            at += *at == '$' ? 2 : 1;
            continue;
        }
        at++;
        if (at == end || (*at != '{' && *at != '(')) {
            close = skip_name(at, end);
            walk_expression(walk, at, close, depth);
            at = close;
            continue;
        }
        close = closing(at + 1, end, *at, *at == '{' ? '}' : ')');
        if (close == NULL) {
            walk->error = "a ${ or $( is not closed";
            return;
        }
        walk_expression(walk, at + 1, close, depth);
        at = close + 1;
    }
}

const char *audit_check(const char *template)
{
    char unused[1];
    struct walk walk = {0};

    text_init(&walk.out, unused, sizeof(unused));
    walk_text(&walk, template, template + strlen(template), 0);
    return walk.error;
}

const char *audit_expand(const char *template, const struct audit_values *values, char *out,
                         size_t out_size)
{
    char expanded[EXPANDED_MAX];
    struct walk walk = {.values = values};

    text_init(&walk.out, expanded, sizeof(expanded));
    walk_text(&walk, template, template + strlen(template), 0);
    return log_quote(expanded, out, out_size);
}
