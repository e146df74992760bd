/*
 * Any lines as what a server offers. Checked is that nothing is offered whose keyword does not
 * stand at the begin of a line, and that each line adds and takes nothing away.
 */
#include "policy/smtp_ehlo.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void promise(bool kept)
{
    if (!kept)
        abort();
}

/* The keyword alone, or before a blank. */
static bool says(const char *line, const char *keyword)
{
    size_t len = strlen(keyword);

    line += strspn(line, " \t");
    return strncasecmp(line, keyword, len) == 0 && strchr(" \t", line[len]) != NULL;
}

static bool says_auth(const char *line)
{
    return says(line, "AUTH") || strncasecmp(line + strspn(line, " \t"), "AUTH=", 5) == 0;
}

static void check_line(const char *line, size_t len, struct smtp_extensions *all)
{
    struct smtp_extensions one = {0};
    char *exact = malloc(len > 0 ? len : 1);

    memcpy(exact, line, len);
    smtp_extensions_add(&one, exact, len);
    smtp_extensions_add(all, exact, len);
    free(exact);
    if (strlen(line) != len)
        return; /* NUL, which no reply has */
    promise(one.starttls == says(line, "STARTTLS"));
    promise(one.pipelining == says(line, "PIPELINING"));
    promise(one.eightbitmime == says(line, "8BITMIME"));
    promise(one.smtputf8 == says(line, "SMTPUTF8"));
    promise(one.size == says(line, "SIZE"));
    promise(one.dsn == says(line, "DSN"));
    promise(one.enhanced_codes == says(line, "ENHANCEDSTATUSCODES"));
    promise(one.requiretls == says(line, "REQUIRETLS"));
    promise(!one.auth || says_auth(line));
    promise(!one.auth_plain || (one.auth && strcasestr(line, "PLAIN") != NULL));
    promise(one.size_limit == 0 || one.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct smtp_extensions all = {0};
    char *text = malloc(len + 1), *line = text;

    memcpy(text, data, len);
    text[len] = '\0';
    for (;;) {
        char *end = memchr(line, '\n', (size_t)(text + len - line));
        struct smtp_extensions before = all;

        if (end != NULL)
            *end = '\0';
        check_line(line, (size_t)((end != NULL ? end : text + len) - line), &all);
        promise(all.starttls >= before.starttls && all.requiretls >= before.requiretls);
        promise(all.auth >= before.auth && all.auth_plain >= before.auth_plain);
        if (end == NULL)
            break;
        line = end + 1;
    }
    free(text);
    return 0;
}
