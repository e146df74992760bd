/*
 * What a server offers in its reply to EHLO (RFC 5321 section 4.1.1.1): smtp_extensions_add for
 * each line but the first, which is the server's name. Nothing here fails: a line that says nothing
 * known offers nothing.
 */
#include "policy/smtp_ehlo.h"

#include <strings.h>

struct word {
    const char *s;
    size_t len;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next word of the line; empty at its end. */
static struct word next_word(const char **at, const char *end)
{
    struct word word;

    while (*at < end && is_blank(**at))
        (*at)++;
    word.s = *at;
    while (*at < end && !is_blank(**at))
        (*at)++;
    word.len = (size_t)(*at - word.s);
    return word;
}

static bool is_word(struct word word, const char *keyword, size_t keyword_len)
{
    return word.len == keyword_len && strncasecmp(word.s, keyword, keyword_len) == 0;
}

#define IS(word, literal) is_word(word, literal, sizeof(literal) - 1)

/* A number of octets; 0, no limit that is known, if it is none or too large to be one. */
static uint64_t read_size(struct word word)
{
    uint64_t size = 0;

    for (size_t i = 0; i < word.len; i++) {
        unsigned digit = (unsigned)(word.s[i] - '0');

        if (word.s[i] < '0' || word.s[i] > '9' || size > (UINT64_MAX - digit) / 10)
            return 0;
        size = size * 10 + digit;
    }
    return size;
}

static void add_mechanism(struct smtp_extensions *extensions, struct word mechanism)
{
    if (mechanism.len == 0)
        return;
    extensions->auth = true;
    if (IS(mechanism, "PLAIN"))
        extensions->auth_plain = true;
}

static void add_mechanisms(struct smtp_extensions *extensions, const char *at, const char *end)
{
    while (at < end)
        add_mechanism(extensions, next_word(&at, end));
}

void smtp_extensions_add(struct smtp_extensions *extensions, const char *line, size_t len)
{
    static const char old_auth[] = "AUTH=";
    const char *at = line, *end = line + len;
    struct word keyword = next_word(&at, end);

    if (IS(keyword, "STARTTLS")) {
        extensions->starttls = true;
    } else if (IS(keyword, "PIPELINING")) {
        extensions->pipelining = true;
    } else if (IS(keyword, "8BITMIME")) {
        extensions->eightbitmime = true;
    } else if (IS(keyword, "SMTPUTF8")) {
        extensions->smtputf8 = true;
    } else if (IS(keyword, "SIZE")) {
        extensions->size = true;
        extensions->size_limit = read_size(next_word(&at, end));
    } else if (IS(keyword, "DSN")) {
        extensions->dsn = true;
    } else if (IS(keyword, "ENHANCEDSTATUSCODES")) {
        extensions->enhanced_codes = true;
    } else if (IS(keyword, "REQUIRETLS")) {
        extensions->requiretls = true;
    } else if (IS(keyword, "AUTH")) {
        add_mechanisms(extensions, at, end);
    } else if (keyword.len >= sizeof(old_auth) - 1 &&
               strncasecmp(keyword.s, old_auth, sizeof(old_auth) - 1) == 0) {
        add_mechanisms(extensions, keyword.s + sizeof(old_auth) - 1, end);
    }
}

bool smtp_extensions_complete(const struct smtp_extensions *extensions)
{
    return extensions->pipelining;
}
