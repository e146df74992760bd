/*
 * What a server's reply to a command means: an answer, or how far the server is of use after it.
 * Pure.
 */
#ifndef POLICY_STORE_SHARED_ANSWER_H
#define POLICY_STORE_SHARED_ANSWER_H

#include "store/shared_reply.h"

#include <stddef.h>

enum shared_command {
    SHARED_COMMAND_AUTH,
    SHARED_COMMAND_SELECT,
    SHARED_COMMAND_GET,
    SHARED_COMMAND_SET,
    SHARED_COMMAND_DELETE,
};

enum shared_answer {
    SHARED_ANSWER_YES,     /* what the command asks for: OK, a string, nil or a number */
    SHARED_ANSWER_NO_ROW,  /* something else than a string is there */
    SHARED_ANSWER_REFUSED, /* the server is read-only, full, or may not be written to: it can be
                              asked, but takes no rows */
    SHARED_ANSWER_BAD,     /* the server is of no use: another error, or what is no answer */
};

enum { SHARED_WHY_MAX = 160 };

/*
 * `why` is for people if it is REFUSED or BAD: what the server said, printable and cut. Nothing of
 * it when it has the password, or how that begins, or answers AUTH, as an error may quote the
 * command.
 */
enum shared_answer shared_answer_of(enum shared_command command, const struct shared_reply *reply,
                                    const char *password, char why[SHARED_WHY_MAX]);

#endif
