/*
 * The file with the keys of tickets: a line each, 64 hexadecimal digits; `#` begins a comment line.
 * Read by the filter and by the delivery agent.
 */
#ifndef MILTER_TICKET_TICKET_KEY_H
#define MILTER_TICKET_TICKET_KEY_H

#include "ticket/ticket.h"

/*
 * Reads the file. Returns 0; -EINVAL: it is no such file; -EPERM: others than its owner may write
 * to it, or others than owner and group read it, or it belongs to another user in a directory where
 * still others can put files; or another negative errno (-ENOENT: there is none). With a message
 * that names the file, and the line, in err. *out is overwritten in any case: it has no keys then.
 * Any thread. The owner may be another user: the filter makes the file, and the delivery agent, a
 * user of its own, reads it by its group.
 */
int ticket_keys_read(const char *path, struct ticket_keys *out, char *err, size_t err_size);

/*
 * The same, and makes the file, with one key, if there is none: mode 0640, whole or not at all,
 * also when two do it at once.
 */
int ticket_keys_read_or_make(const char *path, struct ticket_keys *out, char *err, size_t err_size);

void ticket_keys_forget(struct ticket_keys *keys); /* overwrites them */

#endif
