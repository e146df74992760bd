/*
 * The files that [cache] shared needs: the keys of its rows' MACs, and the password of its servers.
 */
#ifndef MILTER_CONFIG_SHARED_FILES_H
#define MILTER_CONFIG_SHARED_FILES_H

#include "config/config.h"
#include "policy/shared_cache.h"

enum { SHARED_PASSWORD_MAX = 512 }; /* octets */

/* Secret: its owner overwrites it after use (shared_files_forget). */
struct shared_files {
    struct shared_mac_keys keys;            /* none where nothing is shared */
    char password[SHARED_PASSWORD_MAX + 1]; /* "": the servers ask for none */
};

/*
 * Reads the files that the configuration names, where it names a server; *out is empty where it
 * does not, and after an error. Reports each that cannot be used, and keys that others can read as
 * a warning, "file:line: shared_key: ...". Returns 0 or a negative errno. Any thread; waits for the
 * disk.
 */
int shared_files_read(const struct config *config, struct shared_files *out,
                      config_report_fn on_error, config_report_fn on_warning, void *arg);

void shared_files_forget(struct shared_files *files);

/*
 * Reads a file of a password: its first line that is neither empty nor a comment (`#`), without the
 * blanks at its end; there must be no other. Returns 0, or a negative errno as key_file_read
 * (key_file.h) does, with a message in err that never has the password. *out is "" then.
 */
int shared_password_read(const char *path, char out[SHARED_PASSWORD_MAX + 1], char *err,
                         size_t err_size);

#endif
