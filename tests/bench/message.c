/*
 * message_text makes the text once and keeps it.
 */
#include "message.h"

#include <string.h>

enum { SIZE = 4096 };

static const char header[] =
    "Received: from client.test (client.test [192.0.2.9])\r\n\tby mta.test (Postfix) with "
    "ESMTPS\r\n"
    "DKIM-Signature: v=1; a=rsa-sha256; d=sender.test; s=2026; h=from:to:subject; bh=47DEQpj8=\r\n"
    "From: Alice <alice@own.test>\r\n"
    "To: Bob <bob@example.test>\r\n"
    "Subject: the figures for the third quarter\r\n"
    "Date: Mon, 2 Mar 2026 10:00:00 +0000\r\n"
    "Message-ID: <20260302100000.1234@own.test>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "\r\n";
static const char line[] = "The figures of each month, and what was said of them, in 62 octets\r\n";

const char *message_text(size_t *len)
{
    static char text[SIZE + sizeof(line) + 4];
    static size_t text_len;

    if (text_len == 0) {
        memcpy(text, header, sizeof(header) - 1);
        text_len = sizeof(header) - 1;
        while (text_len < SIZE) {
            memcpy(text + text_len, line, sizeof(line) - 1);
            text_len += sizeof(line) - 1;
        }
        memcpy(text + text_len, ".\r\n", 3);
        text_len += 3;
    }
    *len = text_len;
    return text;
}
