/*
 * Commands of an LMTP client: lmtp_command_parse takes a line and says what it asks, or the reply
 * that refuses it. MAIL and RCPT with the parameters of RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531
 * (SMTPUTF8), RFC 3461 (RET, ENVID, NOTIFY, ORCPT), RFC 8689 (REQUIRETLS) and RFC 4954 (AUTH). A
 * parameter that is not known, or stands twice, is refused: what was asked with it cannot be done.
 */
#include "deliver/lmtp_command.h"

#include <string.h>
#include <strings.h>

static const struct lmtp_reply syntax = {500, "5.5.2", "syntax error"};
static const struct lmtp_reply unknown = {500, "5.5.1", "no such command; this is LMTP (RFC 2033)"};
static const struct lmtp_reply no_argument = {501, "5.5.4", "no argument belongs there"};
static const struct lmtp_reply no_name = {501, "5.5.4", "syntax: LHLO name"};
static const struct lmtp_reply bad_mail = {501, "5.5.4", "syntax: MAIL FROM:<address>"};
static const struct lmtp_reply bad_rcpt = {501, "5.5.4", "syntax: RCPT TO:<address>"};
static const struct lmtp_reply bad_sender = {501, "5.1.7", "that is no address"};
static const struct lmtp_reply bad_recipient = {501, "5.1.3", "that is no address"};
static const struct lmtp_reply bad_orcpt = {501, "5.5.4", "syntax: ORCPT=type;address"};
static const struct lmtp_reply needs_utf8 = {553, "5.6.7", "the address needs SMTPUTF8"};
static const struct lmtp_reply unknown_parameter = {555, "5.5.4", "that parameter is not known"};
static const struct lmtp_reply twice = {501, "5.5.4", "a parameter stands twice"};

/* A parameter of MAIL or RCPT. `value` NULL: it has none. Returns whether it is valid. */
struct parameter {
    const char *name;
    bool (*read)(struct lmtp_command *command, char *value);
    struct lmtp_reply bad;
};

static bool read_size(struct lmtp_command *command, char *value)
{
    uint64_t size = 0;

    if (value == NULL || value[0] == '\0' || strlen(value) > 20) /* RFC 1870 section 4 */
        return false;
    for (; *value >= '0' && *value <= '9'; value++) {
        if (size > (UINT64_MAX - 9) / 10)
            return false;
        size = size * 10 + (uint64_t)(*value - '0');
    }
    command->mail.size = size;
    return *value == '\0';
}

static bool read_body(struct lmtp_command *command, char *value)
{
    if (value == NULL)
        return false;
    if (strcasecmp(value, "7BIT") == 0)
        command->mail.body = SMTP_BODY_7BIT;
    else if (strcasecmp(value, "8BITMIME") == 0)
        command->mail.body = SMTP_BODY_8BITMIME;
    return command->mail.body != SMTP_BODY_UNSPECIFIED;
}

static bool read_smtputf8(struct lmtp_command *command, char *value)
{
    command->mail.smtputf8 = true;
    return value == NULL;
}

static bool read_requiretls(struct lmtp_command *command, char *value)
{
    command->mail.requiretls = true;
    return value == NULL;
}

static bool read_ret(struct lmtp_command *command, char *value)
{
    if (value == NULL)
        return false;
    if (strcasecmp(value, "FULL") == 0)
        command->mail.ret = SMTP_RET_FULL;
    else if (strcasecmp(value, "HDRS") == 0)
        command->mail.ret = SMTP_RET_HDRS;
    return command->mail.ret != SMTP_RET_UNSPECIFIED;
}

/* Whether the parameters of the command can be said to another server. */
static bool can_be_said(const struct smtp_mail *mail, const struct smtp_rcpt *rcpt)
{
    static const struct smtp_rcpt somebody = {.address = "a@b"};
    struct smtp_mail whole = *mail;

    whole.rcpts = rcpt != NULL ? rcpt : &somebody;
    whole.rcpt_count = 1;
    return smtp_mail_check(&whole) == 0;
}

static bool read_envid(struct lmtp_command *command, char *value)
{
    const struct smtp_mail alone = {.sender = "", .envid = value};

    command->mail.envid = value;
    return value != NULL && value[0] != '\0' && can_be_said(&alone, NULL);
}

static bool read_auth(struct lmtp_command *command, char *value)
{
    (void)command;
    return value != NULL && value[0] != '\0';
}

static bool read_notify(struct lmtp_command *command, char *value)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {{"NEVER", SMTP_NOTIFY_NEVER},
                 {"SUCCESS", SMTP_NOTIFY_SUCCESS},
                 {"FAILURE", SMTP_NOTIFY_FAILURE},
                 {"DELAY", SMTP_NOTIFY_DELAY}};
    unsigned notify = 0;

    while (value != NULL) {
        char *word = strsep(&value, ",");
        unsigned bit = 0;

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (strcasecmp(word, words[i].word) == 0)
                bit = words[i].bit;
        }
        if (bit == 0)
            return false;
        notify |= bit;
    }
    command->rcpt.notify = notify;
    return notify != 0 && (notify == SMTP_NOTIFY_NEVER || (notify & SMTP_NOTIFY_NEVER) == 0);
}

static bool read_orcpt(struct lmtp_command *command, char *value)
{
    command->rcpt.orcpt = value; /* the address is checked together with it */
    return value != NULL && value[0] != '\0';
}

static const struct parameter of_mail[] = {
    {"SIZE", read_size, {501, "5.5.4", "syntax: SIZE=octets"}},
    {"BODY", read_body, {501, "5.5.4", "syntax: BODY=7BIT or BODY=8BITMIME"}},
    {"SMTPUTF8", read_smtputf8, {501, "5.5.4", "SMTPUTF8 has no value"}},
    {"REQUIRETLS", read_requiretls, {501, "5.5.4", "REQUIRETLS has no value"}},
    {"RET", read_ret, {501, "5.5.4", "syntax: RET=FULL or RET=HDRS"}},
    {"ENVID", read_envid, {501, "5.5.4", "ENVID is no xtext, or too long"}},
    {"AUTH", read_auth, {501, "5.5.4", "syntax: AUTH=address"}},
    {NULL, NULL, {0}},
};
static const struct parameter of_rcpt[] = {
    {"NOTIFY", read_notify, {501, "5.5.4", "syntax: NOTIFY=NEVER, or of SUCCESS,FAILURE,DELAY"}},
    {"ORCPT", read_orcpt, {501, "5.5.4", "syntax: ORCPT=type;address"}},
    {NULL, NULL, {0}},
};

/* Reads `NAME` and `NAME=value`, each behind a blank. */
static void read_parameters(struct lmtp_command *command, char *rest,
                            const struct parameter *parameters)
{
    unsigned seen = 0;

    while (rest != NULL && command->refused.code == 0) {
        char *value = strsep(&rest, " "), *name;
        size_t i = 0;

        if (value[0] == '\0')
            continue;
        name = strsep(&value, "=");
        while (parameters[i].name != NULL && strcasecmp(parameters[i].name, name) != 0)
            i++;
        if (parameters[i].name == NULL)
            command->refused = unknown_parameter;
        else if ((seen & 1U << i) != 0)
            command->refused = twice;
        else if (!parameters[i].read(command, value))
            command->refused = parameters[i].bad;
        seen |= 1U << i;
    }
}

/*
 * Takes the `<path>` that follows `word` and its colon, and ends it with 0. Returns the path, and
 * in *rest what follows, NULL if nothing does; NULL if there is none. A `>` in a quoted string does
 * not end it (RFC 5321 section 4.1.2).
 */
static char *take_path(char *argument, const char *word, char **rest)
{
    size_t len = strlen(word);
    bool quoted = false;
    char *path, *end;

    if (strncasecmp(argument, word, len) != 0)
        return NULL;
    argument += len;
    argument += strspn(argument, " ");
    if (*argument != '<')
        return NULL;
    path = argument + 1;
    for (end = path; *end != '\0' && (quoted || *end != '>'); end++) {
        if (*end == '"')
            quoted = !quoted;
        else if (*end == '\\' && quoted && end[1] != '\0')
            end++;
    }
    if (*end == '\0' || (end[1] != '\0' && end[1] != ' '))
        return NULL;
    *rest = end[1] == ' ' ? end + 2 : NULL;
    *end = '\0';
    return path;
}

/*
 * The reply that refuses an address; code 0: it can be said. Source routes (RFC 5321 appendix C)
 * are refused: nobody has them, and mail must not go by one.
 */
static struct lmtp_reply judge(const char *path, const struct smtp_mail *mail,
                               const struct smtp_rcpt *rcpt, const struct lmtp_reply *bad)
{
    struct smtp_mail with_utf8 = *mail;

    with_utf8.smtputf8 = true;
    if (path[0] == '@')
        return *bad;
    if (can_be_said(mail, rcpt))
        return (struct lmtp_reply){0};
    return can_be_said(&with_utf8, rcpt) ? needs_utf8 : *bad;
}

static void parse_mail(char *argument, struct lmtp_command *command)
{
    char *rest, *path = take_path(argument, "FROM:", &rest);

    if (path == NULL) {
        command->refused = bad_mail;
        return;
    }
    command->mail.sender = path;
    read_parameters(command, rest, of_mail);
    if (command->refused.code == 0)
        command->refused = judge(path, &command->mail, NULL, &bad_sender);
}

static void parse_rcpt(char *argument, bool smtputf8, struct lmtp_command *command)
{
    const struct smtp_mail mail = {.sender = "", .smtputf8 = smtputf8};
    char *rest, *path = take_path(argument, "TO:", &rest);
    struct smtp_rcpt alone = {.address = path};

    if (path == NULL) {
        command->refused = bad_rcpt;
        return;
    }
    command->rcpt.address = path;
    read_parameters(command, rest, of_rcpt);
    if (command->refused.code == 0)
        command->refused = judge(path, &mail, &alone, &bad_recipient);
    if (command->refused.code == 0)
        command->refused = judge(path, &mail, &command->rcpt, &bad_orcpt);
}

static void parse_argument(char *argument, bool smtputf8, struct lmtp_command *out)
{
    switch (out->verb) {
    case LMTP_VERB_LHLO:
        if (argument[strspn(argument, " ")] == '\0')
            out->refused = no_name;
        return;
    case LMTP_VERB_MAIL:
        parse_mail(argument, out);
        return;
    case LMTP_VERB_RCPT:
        parse_rcpt(argument, smtputf8, out);
        return;
    case LMTP_VERB_DATA:
    case LMTP_VERB_RSET:
    case LMTP_VERB_QUIT:
        if (argument[strspn(argument, " ")] != '\0')
            out->refused = no_argument;
        return;
    case LMTP_VERB_NOOP:
    case LMTP_VERB_VRFY:
    case LMTP_VERB_NONE:
        return;
    }
}

static bool has_controls(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            return true;
    }
    return false;
}

void lmtp_command_parse(char *line, size_t len, bool smtputf8, struct lmtp_command *out)
{
    static const struct {
        const char *name;
        enum lmtp_verb verb;
    } verbs[] = {{"LHLO", LMTP_VERB_LHLO}, {"MAIL", LMTP_VERB_MAIL}, {"RCPT", LMTP_VERB_RCPT},
                 {"DATA", LMTP_VERB_DATA}, {"RSET", LMTP_VERB_RSET}, {"NOOP", LMTP_VERB_NOOP},
                 {"VRFY", LMTP_VERB_VRFY}, {"QUIT", LMTP_VERB_QUIT}};
    char *name;

    *out = (struct lmtp_command){.verb = LMTP_VERB_NONE, .mail.sender = ""};
    if (has_controls(line, len)) {
        out->refused = syntax;
        return;
    }
    name = strsep(&line, " ");
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcasecmp(name, verbs[i].name) == 0)
            out->verb = verbs[i].verb;
    }
    if (out->verb == LMTP_VERB_NONE)
        out->refused = unknown;
    else
        parse_argument(line != NULL ? line : name + strlen(name), smtputf8, out);
}
