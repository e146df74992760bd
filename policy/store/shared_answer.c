/*
 * Errors are told apart by their first word, as servers document it: "READONLY You can't write
 * against a read only replica." What is not known is BAD.
 */
#include "store/shared_answer.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PASSWORD_PART = 8 }; /* octets */

/* The server answers questions still. NOPERM also stands here: that a user may not write does not
 * say that he may not read. */
static const char *const refusals[] = {"READONLY", "OOM", "MISCONF", "NOREPLICAS", "NOPERM"};

static bool is_code(const struct shared_reply *reply, const char *code)
{
    size_t len = strlen(code);

    return reply->len >= len && memcmp(reply->text, code, len) == 0 &&
           (reply->len == len || reply->text[len] == ' ');
}

static bool has(const struct shared_reply *reply, const char *text)
{
    return memmem(reply->text, reply->len, text, strlen(text)) != NULL;
}

/* Servers quote arguments cut: the first octets are enough to know it by. */
static bool has_password(const struct shared_reply *reply, const char *password)
{
    return password != NULL && password[0] != '\0' &&
           memmem(reply->text, reply->len, password, strnlen(password, PASSWORD_PART)) != NULL;
}

static void tell(const struct shared_reply *reply, const char *password, char why[SHARED_WHY_MAX])
{
    size_t len = reply->len < SHARED_WHY_MAX - 1 ? reply->len : SHARED_WHY_MAX - 1;

    if (has_password(reply, password)) {
        snprintf(why, SHARED_WHY_MAX, "it answers with an error that has the password");
        return;
    }
    for (size_t i = 0; i < len; i++)
        why[i] = reply->text[i] >= ' ' && reply->text[i] <= '~' ? reply->text[i] : '?';
    why[len] = '\0';
}

static void tell_auth(const struct shared_reply *reply, char why[SHARED_WHY_MAX])
{
    if (is_code(reply, "WRONGPASS"))
        snprintf(why, SHARED_WHY_MAX, "it does not accept the password (WRONGPASS)");
    else if (has(reply, "without any password configured"))
        snprintf(why, SHARED_WHY_MAX, "a password is configured, but it wants none");
    else if (is_code(reply, "LOADING"))
        snprintf(why, SHARED_WHY_MAX, "it is loading its data (LOADING)");
    else if (is_code(reply, "DENIED"))
        snprintf(why, SHARED_WHY_MAX, "it is in protected mode (DENIED)");
    else if (has(reply, "max number of clients reached"))
        snprintf(why, SHARED_WHY_MAX, "its max number of clients is reached");
    else
        snprintf(why, SHARED_WHY_MAX, "it answers AUTH with an error");
}

static enum shared_answer error_of(enum shared_command command, const struct shared_reply *reply,
                                   const char *password, char why[SHARED_WHY_MAX])
{
    if (command == SHARED_COMMAND_AUTH) {
        tell_auth(reply, why);
        return SHARED_ANSWER_BAD;
    }
    if (command == SHARED_COMMAND_GET && is_code(reply, "WRONGTYPE"))
        return SHARED_ANSWER_NO_ROW;
    tell(reply, password, why);
    if (is_code(reply, "NOAUTH")) {
        snprintf(why, SHARED_WHY_MAX, "it asks for a password (NOAUTH)");
        return SHARED_ANSWER_BAD;
    }
    if (command != SHARED_COMMAND_SET && command != SHARED_COMMAND_DELETE)
        return SHARED_ANSWER_BAD;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (is_code(reply, refusals[i]))
            return SHARED_ANSWER_REFUSED;
    }
    return SHARED_ANSWER_BAD;
}

static bool is_wanted(enum shared_command command, const struct shared_reply *reply)
{
    switch (command) {
    case SHARED_COMMAND_AUTH:
    case SHARED_COMMAND_SELECT:
    case SHARED_COMMAND_SET:
        return reply->type == SHARED_REPLY_STATUS && is_code(reply, "OK");
    case SHARED_COMMAND_GET:
        return reply->type == SHARED_REPLY_STRING || reply->type == SHARED_REPLY_NIL;
    case SHARED_COMMAND_DELETE:
        return reply->type == SHARED_REPLY_INTEGER;
    }
    return false;
}

enum shared_answer shared_answer_of(enum shared_command command, const struct shared_reply *reply,
                                    const char *password, char why[SHARED_WHY_MAX])
{
    why[0] = '\0';
    if (is_wanted(command, reply))
        return SHARED_ANSWER_YES;
    if (reply->type == SHARED_REPLY_ERROR)
        return error_of(command, reply, password, why);
    snprintf(why, SHARED_WHY_MAX, "what it answers is no answer to the command");
    return SHARED_ANSWER_BAD;
}
