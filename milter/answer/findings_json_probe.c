/*
 * Writes what probes of the addresses of a host have shown: findings_json_probes calls
 * write_probe for each. As far as a probe did not come, a value is null: what was not asked is not
 * false. Nor does an EHLO reply without PIPELINING say what is not offered.
 */
#include "answer/findings_json_probe.h"

#include <arpa/inet.h>

static void add_string(struct json *json, const char *key, const char *value)
{
    json_key(json, key);
    json_string(json, value);
}

static void add_known_bool(struct json *json, const char *key, bool known, bool value)
{
    json_key(json, key);
    if (known)
        json_bool(json, value);
    else
        json_null(json);
}

static void add_endpoint(struct json *json, const struct findings_probe *probe)
{
    char text[INET6_ADDRSTRLEN];
    add_string(
        json, "address",
        inet_ntop(probe->family == 6 ? AF_INET6 : AF_INET, probe->address, text, sizeof(text)));
    json_key(json, "port");
    json_int(json, probe->port);
}

static void add_certificate(struct json *json, const struct findings_probe *probe)
{
    json_key(json, "names");
    json_array_begin(json);
    for (size_t i = 0; i < probe->name_count; i++)
        json_string(json, probe->names[i]);
    json_array_end(json);
    json_key(json, "not_after");
    if (probe->not_after_s != 0)
        json_time(json, probe->not_after_s);
    else
        json_null(json);
    json_key(json, "spki_sha256");
    if (probe->has_spki)
        json_hex(json, probe->spki_sha256, sizeof(probe->spki_sha256));
    else
        json_null(json);
}

static void add_check(struct json *json, const char *key, unsigned check)
{
    add_string(json, key,
               check != FINDINGS_PROBE_CHECK_NOT_TRIED ? findings_probe_check_name(check) : NULL);
}

static void write_probe(struct json *json, const struct findings_probe *probe)
{
    json_object_begin(json);
    add_endpoint(json, probe);
    json_key(json, "checked");
    json_time(json, probe->checked_at_s);
    add_string(json, "result", findings_probe_result_name(probe->result));
    add_known_bool(json, "starttls", probe->starttls || probe->result == FINDINGS_PROBE_NO_STARTTLS,
                   probe->starttls);
    add_string(json, "protocol", probe->protocol);
    add_string(json, "cipher", probe->cipher);
    add_certificate(json, probe);
    add_check(json, "dane", probe->dane);
    add_string(json, "dane_failure", probe->dane_why);
    add_check(json, "web_pki", probe->web_pki);
    add_string(json, "web_pki_failure", probe->web_pki_why);
    add_known_bool(json, "requiretls",
                   probe->requiretls || probe->pipelining ||
                       probe->result == FINDINGS_PROBE_NO_REQUIRETLS,
                   probe->requiretls);
    add_string(json, "failure", probe->failure);
    json_object_end(json);
}

void findings_json_probes(struct json *json, const struct findings_host *host)
{
    json_key(json, "probe");
    json_array_begin(json);
    for (size_t i = 0; i < host->probe_count; i++)
        write_probe(json, &host->probes[i]);
    json_array_end(json);
}
