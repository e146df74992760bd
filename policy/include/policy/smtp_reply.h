/*
 * Replies of an SMTP server (RFC 5321 section 4.2), octet by octet, with enhanced status codes
 * (RFC 2034, RFC 3463). Pure.
 */
#ifndef POLICY_SMTP_REPLY_H
#define POLICY_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

/* What a server may make this host hold and read for one reply. RFC 5321 4.5.3.1.5 has 512 octets a
 * line with its CRLF. */
enum {
    SMTP_REPLY_LINE_MAX = 2048, /* octets of a line without its line end */
    SMTP_REPLY_LINES_MAX = 100,
    SMTP_REPLY_OCTETS_MAX = 32768, /* of all lines */
    SMTP_REPLY_TEXT_MAX = 400,     /* that are kept of the text */
    SMTP_ENHANCED_MAX = 9,         /* 5.123.123 */
};

/* A reply for logs and for those who are told. Zero-initialised: there was none. */
struct smtp_reply {
    int code; /* 200 to 599; 0: none. RFC 5321 has no 571, but servers do */
    /* The enhanced status code; without one x.0.0 with the first digit of the code, and for 3yz,
     * which has none, empty. */
    char enhanced[SMTP_ENHANCED_MAX + 1];
    bool enhanced_given; /* the server sent it */
    /* The lines without codes, with a blank between two: printable ASCII, a tab is a blank, any
     * other octet '?'; what is too long is cut. */
    char text[SMTP_REPLY_TEXT_MAX + 1];
};

enum smtp_reply_status {
    SMTP_REPLY_MORE,     /* all octets are read, the line goes on */
    SMTP_REPLY_LINE,     /* a line that another follows: line and line_len */
    SMTP_REPLY_DONE,     /* the last line: line and line_len, and the reply */
    SMTP_REPLY_BAD,      /* no code, a code that is none, two codes in one reply, NUL, a lone CR */
    SMTP_REPLY_TOO_LONG, /* a line, or all of them */
};

struct smtp_reply_parser { /* zero-initialised: at the begin of a reply */
    struct smtp_reply reply;
    char line[SMTP_REPLY_LINE_MAX + 2]; /* and the CR */
    size_t line_len;
    size_t octets; /* of the lines so far */
    unsigned lines;
    size_t text_len;
    bool line_done;  /* the next octet begins a line */
    bool reply_done; /* and a reply */
};

/*
 * Reads up to the end of a line at most; `used` is how many octets that took. After
 * SMTP_REPLY_LINE and SMTP_REPLY_DONE `line` is what followed the code and its separator, as
 * sent, until the next call. After SMTP_REPLY_DONE the next octet begins a new reply. After
 * SMTP_REPLY_BAD and SMTP_REPLY_TOO_LONG nothing more can be read; `reply` has the code if one was
 * read, and the text so far. A line may end in LF alone or in
 * CR CR LF, as some servers have it.
 */
enum smtp_reply_status smtp_reply_parse(struct smtp_reply_parser *p, const char *octets, size_t len,
                                        size_t *used);

/* Whether part of a reply was read. */
bool smtp_reply_begun(const struct smtp_reply_parser *p);

/* 2 to 5, the first digit of the code; 0: there was no reply. */
int smtp_reply_class(const struct smtp_reply *reply);

#endif
