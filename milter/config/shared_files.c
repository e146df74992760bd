/*
 * The files of the shared cache. shared_files_read reads both and says of each with its line in the
 * configuration what is wrong with it; shared_password_read is the reader of one, that of the other
 * is shared_key_file.h's. The results are 0 or a negative errno.
 */
#include "config/shared_files.h"

#include "config/config_report.h"
#include "config/shared_key_file.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>

void shared_files_forget(struct shared_files *files)
{
    OPENSSL_cleanse(files, sizeof(*files));
}

/* key_file_take_fn */
static const char *take_password(const char *line, size_t len, void *arg)
{
    char *out = arg;

    if (out[0] != '\0')
        return "a second line: the password is one";
    if (len > SHARED_PASSWORD_MAX)
        return "a password has 512 octets at most";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            return "a control character";
    memcpy(out, line, len);
    out[len] = '\0';
    return NULL;
}

int shared_password_read(const char *path, char out[SHARED_PASSWORD_MAX + 1], char *err,
                         size_t err_size)
{
    int error;

    OPENSSL_cleanse(out, SHARED_PASSWORD_MAX + 1);
    error = key_file_read(path, KEY_FILE_OTHERS_ERROR, take_password, out, err, err_size);
    if (error != 0)
        OPENSSL_cleanse(out, SHARED_PASSWORD_MAX + 1);
    return error;
}

int shared_files_read(const struct config *config, struct shared_files *out,
                      config_report_fn on_error, config_report_fn on_warning, void *arg)
{
    const struct config_shared *s = &config->shared;
    struct config_report to = {config->path, on_error, on_warning, arg, 0};
    char err[PATH_MAX + 200];
    int key = 0, password = 0;

    shared_files_forget(out);
    if (s->servers.count == 0)
        return 0;
    key = shared_key_file_read(s->key, &out->keys, err, sizeof(err));
    if (key != 0)
        config_report_at(&to, key < 0 ? CONFIG_REPORT_ERROR : CONFIG_REPORT_WARNING, s->key_line,
                         "shared_key: %s", err);
    if (s->password != NULL)
        password = shared_password_read(s->password, out->password, err, sizeof(err));
    if (password != 0)
        config_report_at(&to, CONFIG_REPORT_ERROR, s->password_line, "shared_password: %s", err);
    if (key >= 0 && password == 0)
        return 0;
    shared_files_forget(out);
    return key < 0 ? key : password;
}
