/*
 * One row of the policy store as SQLite's columns: store_row_bind before it is written,
 * store_row_read after. The checksum over what is written tells a row that was damaged, which
 * store_row_read refuses.
 */
#include "store/store_row.h"

#include <string.h>

#include <openssl/evp.h>

/* As in STORE_ROW_COLUMNS. */
enum column { DOMAIN, ID, MODE, MAX_AGE, MX, BODY, FETCHED_AT, DOUBTS, SUM, USED_AT };

static void sum_bytes(EVP_MD_CTX *md, const void *data, size_t len)
{
    uint8_t prefix[8];

    for (int i = 0; i < 8; i++)
        prefix[i] = (uint8_t)((uint64_t)len >> 8 * i);
    EVP_DigestUpdate(md, prefix, sizeof(prefix));
    EVP_DigestUpdate(md, data, len);
}

static void sum_number(EVP_MD_CTX *md, int64_t number)
{
    uint8_t octets[8];

    for (int i = 0; i < 8; i++)
        octets[i] = (uint8_t)((uint64_t)number >> 8 * i);
    EVP_DigestUpdate(md, octets, sizeof(octets));
}

bool store_row_sum(const struct store_row *row, uint8_t sum[STORE_ROW_SUM_LEN])
{
    const struct store_policy *p = &row->policy;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool done;

    if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(md);
        return false;
    }
    sum_number(md, STORE_ROW_FORMAT);
    sum_bytes(md, p->domain, strlen(p->domain));
    sum_bytes(md, p->id, strlen(p->id));
    sum_number(md, p->mode);
    sum_number(md, p->max_age_s);
    sum_bytes(md, p->mx, strlen(p->mx));
    sum_bytes(md, p->body, p->body_len);
    sum_number(md, p->fetched_at_s);
    sum_number(md, row->doubts);
    done = EVP_DigestFinal_ex(md, sum, NULL) == 1;
    EVP_MD_CTX_free(md);
    return done;
}

bool store_row_sum_of(int64_t format, const char *key, const void *record, size_t record_len,
                      int64_t at_s, uint8_t sum[STORE_ROW_SUM_LEN])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool done;

    if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(md);
        return false;
    }
    sum_number(md, format);
    sum_bytes(md, key, strlen(key));
    sum_bytes(md, record, record_len);
    sum_number(md, at_s);
    done = EVP_DigestFinal_ex(md, sum, NULL) == 1;
    EVP_MD_CTX_free(md);
    return done;
}

/* NULL for anything that is not a text without NUL inside. */
static const char *column_text(sqlite3_stmt *s, int column)
{
    const char *text;

    if (sqlite3_column_type(s, column) != SQLITE_TEXT)
        return NULL;
    text = (const char *)sqlite3_column_text(s, column);
    if (text == NULL || strlen(text) != (size_t)sqlite3_column_bytes(s, column))
        return NULL;
    return text;
}

static bool column_mode(sqlite3_stmt *s, enum findings_sts_mode *out)
{
    const char *text = column_text(s, MODE);

    for (unsigned m = FINDINGS_STS_MODE_NONE; m <= FINDINGS_STS_MODE_ENFORCE; m++) {
        if (text != NULL && strcmp(text, findings_sts_mode_name(m)) == 0) {
            *out = (enum findings_sts_mode)m;
            return true;
        }
    }
    return false;
}

bool store_row_read(sqlite3_stmt *s, struct store_row *row)
{
    struct store_policy *p = &row->policy;
    uint8_t sum[STORE_ROW_SUM_LEN];

    memset(row, 0, sizeof(*row));
    p->domain = column_text(s, DOMAIN);
    p->id = column_text(s, ID);
    p->mx = column_text(s, MX);
    if (p->domain == NULL || p->id == NULL || p->mx == NULL || !column_mode(s, &p->mode) ||
        sqlite3_column_type(s, BODY) != SQLITE_BLOB || sqlite3_column_type(s, SUM) != SQLITE_BLOB)
        return false;
    p->body = sqlite3_column_blob(s, BODY);
    p->body_len = (size_t)sqlite3_column_bytes(s, BODY);
    if (p->body == NULL)
        p->body = ""; /* SQLite's empty blob */
    p->max_age_s = (uint32_t)sqlite3_column_int64(s, MAX_AGE);
    p->fetched_at_s = sqlite3_column_int64(s, FETCHED_AT);
    p->used_at_s = sqlite3_column_int64(s, USED_AT);
    row->doubts = (unsigned)sqlite3_column_int64(s, DOUBTS);
    return sqlite3_column_bytes(s, SUM) == STORE_ROW_SUM_LEN && store_row_sum(row, sum) &&
           memcmp(sum, sqlite3_column_blob(s, SUM), STORE_ROW_SUM_LEN) == 0;
}

bool store_row_bind(sqlite3_stmt *s, const struct store_row *row)
{
    const struct store_policy *p = &row->policy;
    uint8_t sum[STORE_ROW_SUM_LEN];

    if (!store_row_sum(row, sum))
        return false;
    sqlite3_bind_text(s, DOMAIN + 1, p->domain, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, ID + 1, p->id, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, MODE + 1, findings_sts_mode_name(p->mode), -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, MAX_AGE + 1, p->max_age_s);
    sqlite3_bind_text(s, MX + 1, p->mx, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(s, BODY + 1, p->body, p->body_len, SQLITE_STATIC);
    sqlite3_bind_int64(s, FETCHED_AT + 1, p->fetched_at_s);
    sqlite3_bind_int64(s, DOUBTS + 1, row->doubts);
    sqlite3_bind_blob(s, SUM + 1, sum, STORE_ROW_SUM_LEN, SQLITE_TRANSIENT);
    sqlite3_bind_int64(s, USED_AT + 1, p->used_at_s);
    return true;
}
