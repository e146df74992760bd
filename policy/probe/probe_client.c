/*
 * Probes of single addresses: probe_client_start makes an SMTP connection (smtp_transport.c), whose
 * turns come to on_turn here: after the handshake it goes on whatever was verified, so that all is
 * seen that an administrator wants to know, and with the second EHLO reply or the end of the
 * connection the probe is judged (probe_judge.c) and done is called. The reply to QUIT is not
 * waited for.
 */
#include "probe/probe_client.h"

#include "base/list.h"
#include "policy/tls_demand.h"
#include "probe/probe_judge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOST_NAME_SIZE = 256 };

/* What a probe begins with. */
struct settings {
    char helo_name[HOST_NAME_SIZE];
    struct sockaddr_in source4;  /* sin_family 0: the system chooses */
    struct sockaddr_in6 source6; /* likewise */
    int64_t timeout_ms;
};

struct probe_client {
    struct event_base *base;
    struct tls_client *tls_client;
    struct settings settings;
    struct list probes; /* struct world_probe.item */
};

struct world_probe {
    struct list item;
    struct smtp_transport *transport;
    const struct world_probe_target *target; /* borrowed */
    world_probe_fn done;
    void *arg;
    bool has_web_pki;
    struct tls_proof web_pki;
};

static int set_source(struct settings *settings, const char *text)
{
    if (inet_pton(AF_INET, text, &settings->source4.sin_addr) == 1) {
        settings->source4.sin_family = AF_INET;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &settings->source6.sin6_addr) == 1) {
        settings->source6.sin6_family = AF_INET6;
        return 0;
    }
    return -EINVAL;
}

/* Whether it can be said in EHLO: the session decides. */
static int check_helo_name(const char *helo_name)
{
    const struct smtp_session_config config = {.helo_name = helo_name, .tls = SMTP_TLS_NEVER};
    struct smtp_session *session = NULL;
    int error = smtp_session_new(&config, &session);

    smtp_session_free(session);
    return error;
}

static int set_helo_name(struct settings *settings, const char *helo_name)
{
    int len;

    if (helo_name == NULL) {
        if (gethostname(settings->helo_name, sizeof(settings->helo_name) - 1) != 0 ||
            settings->helo_name[0] == '\0')
            strcpy(settings->helo_name, "localhost");
    } else {
        len = snprintf(settings->helo_name, sizeof(settings->helo_name), "%s", helo_name);
        if (len < 0 || (size_t)len >= sizeof(settings->helo_name))
            return -EINVAL;
    }
    return check_helo_name(settings->helo_name);
}

static int set_settings(struct probe_client *client, const struct probe_client_config *config,
                        char *err, size_t err_size)
{
    struct settings settings = {.timeout_ms = config->timeout_ms};
    int error = set_helo_name(&settings, config->helo_name);

    if (error == -EINVAL)
        snprintf(err, err_size, "probe: %s is no name for EHLO", settings.helo_name);
    for (size_t i = 0; error == 0 && config->sources != NULL && config->sources[i] != NULL; i++) {
        error = set_source(&settings, config->sources[i]);
        if (error != 0)
            snprintf(err, err_size, "probe: %s is no address to connect from", config->sources[i]);
    }
    if (error == 0)
        client->settings = settings;
    return error;
}

int probe_client_new(struct event_base *base, struct ca_store *ca_store,
                     const struct probe_client_config *config, struct probe_client **out, char *err,
                     size_t err_size)
{
    struct probe_client *client = calloc(1, sizeof(*client));
    int error;

    if (client == NULL)
        return -ENOMEM;
    client->base = base;
    list_init(&client->probes);
    error = set_settings(client, config, err, err_size);
    /* No sessions are kept: a probe is to see a whole handshake. */
    if (error == 0)
        error = tls_client_new(ca_store, 0, &client->tls_client);
    if (error != 0) {
        probe_client_free(client);
        return error;
    }
    *out = client;
    return 0;
}

void probe_client_cancel(struct world_probe *probe)
{
    list_remove(&probe->item);
    smtp_transport_free(probe->transport);
    free(probe);
}

void probe_client_free(struct probe_client *client)
{
    if (client == NULL)
        return;
    while (!list_empty(&client->probes))
        probe_client_cancel(list_entry(client->probes.next, struct world_probe, item));
    tls_client_free(client->tls_client);
    free(client);
}

void probe_client_replace(struct probe_client *client, struct probe_client *by)
{
    client->settings = by->settings;
    probe_client_free(by);
}

/* What is told of the Web PKI where the demand does not say it: beside DANE, and where nothing is
 * demanded of the certificate. */
static void look_at_web_pki(struct world_probe *probe)
{
    enum tls_demand_kind kind = probe->target->demand->kind;
    struct tls_demand demand;

    if (probe->target->web_pki_name == NULL || kind == TLS_DEMAND_STS || kind == TLS_DEMAND_WEB_PKI)
        return;
    tls_demand_web_pki(probe->target->web_pki_name, &demand);
    tls_connection_verify(smtp_transport_tls(probe->transport), &demand, &probe->web_pki);
    probe->has_web_pki = true;
}

/* The probe is dead before `done` is called; what `done` borrows lies in the transport. */
static void finish(struct world_probe *probe)
{
    struct smtp_transport *transport = probe->transport;
    world_probe_fn done = probe->done;
    void *arg = probe->arg;
    struct probe_judgement judgement;
    struct world_probe_result result = {.probe = &judgement.probe};

    probe_judge(transport, probe->target, probe->has_web_pki ? &probe->web_pki : NULL, &judgement);
    result.local = judgement.local;
    list_remove(&probe->item);
    done(&result, arg);
    smtp_transport_free(transport);
    free(probe);
}

/* smtp_turn_fn */
static void on_turn(struct smtp_transport *transport, enum smtp_turn turn, void *arg)
{
    struct world_probe *probe = arg;

    switch (turn) {
    case SMTP_TURN_PEER:
        look_at_web_pki(probe);
        smtp_transport_go(transport);
        break;
    case SMTP_TURN_COMMAND:
        smtp_session_quit(smtp_transport_session(transport));
        smtp_transport_close(transport);
        finish(probe);
        break;
    case SMTP_TURN_OVER:
        finish(probe);
        break;
    case SMTP_TURN_NONE:
    case SMTP_TURN_CONTENT:
        break;
    }
}

static int begin(struct probe_client *client, struct world_probe *probe)
{
    const struct world_probe_target *target = probe->target;
    struct settings *settings = &client->settings;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(target->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(target->port)};
    struct smtp_transport_config config = {
        .base = client->base,
        .smtp = {.helo_name = settings->helo_name, .tls = SMTP_TLS_REQUIRED, .requiretls = true},
        .tls_client = client->tls_client,
        .demand = target->demand,
        .limit_ms = settings->timeout_ms,
        .on_turn = on_turn,
        .arg = probe,
    };

    if (target->ipv6) {
        memcpy(&in6.sin6_addr, target->address, sizeof(in6.sin6_addr));
        config.address = (const struct sockaddr *)&in6;
        if (settings->source6.sin6_family == AF_INET6)
            config.source = (const struct sockaddr *)&settings->source6;
    } else {
        memcpy(&in.sin_addr, target->address, sizeof(in.sin_addr));
        config.address = (const struct sockaddr *)&in;
        if (settings->source4.sin_family == AF_INET)
            config.source = (const struct sockaddr *)&settings->source4;
    }
    return smtp_transport_new(&config, &probe->transport);
}

struct world_probe *probe_client_start(struct probe_client *client,
                                       const struct world_probe_target *target, world_probe_fn done,
                                       void *arg)
{
    struct world_probe *probe = calloc(1, sizeof(*probe));

    if (probe == NULL)
        return NULL;
    probe->target = target;
    probe->done = done;
    probe->arg = arg;
    if (begin(client, probe) != 0) {
        free(probe);
        return NULL;
    }
    list_append(&client->probes, &probe->item);
    return probe;
}
