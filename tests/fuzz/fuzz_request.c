/*
 * Any octets as what the sender of a message asks for: the first line is the parameters of MAIL,
 * parted by blanks, and those of RCPT; each line after it is a header field. Checked is that
 * nothing asks but what RFC 8689 says asks, and that what may be repeated to an MTA is one word.
 */
#include "decide/dkim.h"
#include "decide/request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { PARAMS_MAX = 16 };

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void check_word(const char *word)
{
    if (word == NULL)
        return;
    for (; *word != '\0'; word++)
        promise((unsigned char)*word > 0x20 && *word != 0x7f);
}

static void check_params(char *line)
{
    const char *params[PARAMS_MAX + 1];
    struct request_mail mail;
    struct request_rcpt rcpt;
    bool asked = false, marked = false;
    size_t count = 0;
    char *rest = line;

    for (char *word = strtok_r(line, " ", &rest); word != NULL && count < PARAMS_MAX;
         word = strtok_r(NULL, " ", &rest)) {
        asked |= strcasecmp(word, "REQUIRETLS") == 0;
        marked |= strcasecmp(word, "SIZE=00000000000000008689") == 0;
        params[count++] = word;
    }
    params[count] = NULL;
    request_read_mail(params, "SIZE=00000000000000008689", &mail);
    promise(mail.parameter == asked && mail.marker == marked);
    check_word(mail.envid);
    check_word(mail.auth);
    check_word(mail.by);
    request_read_rcpt(params, &rcpt);
    check_word(rcpt.notify);
    check_word(rcpt.orcpt);
}

static void check_field(struct request_header *header, char *line)
{
    char *value = strchr(line, ':');
    bool taken, ours;

    if (value == NULL)
        return;
    *value++ = '\0';
    dkim_covers(value, "TLS-Required");
    ours = request_is_field(line, request_tls_required) ||
           request_is_field(line, request_require_esmtp);
    taken = request_read_header(header, line, value);
    promise(!taken || ours);
    promise(header->tls_required_no <= header->tls_required);
    promise(header->require_esmtp <= header->require_fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct request_header header = {0};
    char *copy = malloc(len + 1), *line = copy;

    if (copy == NULL)
        return 0;
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    for (bool first = true; line != NULL; first = false) {
        char *end = strchr(line, '\n');

        if (end != NULL)
            *end++ = '\0';
        if (first)
            check_params(line);
        else
            check_field(&header, line);
        line = end;
    }
    promise(request_header_optional(&header) ==
            (header.tls_required == 1 && header.tls_required_no == 1));
    free(copy);
    return 0;
}
