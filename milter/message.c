/*
 * The life of one message. What is asked for becomes known bit by bit: at MAIL by parameter and
 * rules, at the end of the header by header fields; each recipient is settled as soon as it can be,
 * at the latest at end-of-message. RFC 8689 sections 2, 4.1, 4.2 and 5.
 */
#include "message.h"

#include "bounce.h"
#include "log.h"
#include "logline.h"
#include "modify.h"
#include "recipient.h"
#include "routing.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What one message may make us keep. A client that sends more is told to split it (RFC 5321 section
 * 4.5.3.1.10; mail without SMTP has nobody to tell, and its recipients are in the MTA's queue
 * already) or, for header fields that rules look at, to try again. */
enum { RECIPIENTS_MAX = 10000, HEADERS_MAX = 500, HEADER_OCTETS_MAX = 256 * 1024 };

static const char no_memory[] = "out of memory";

enum { LIFE_GAP_MS = 3000 - WAIT_PROGRESS_MS };

struct message {
    struct runtime *runtime;
    struct config *config; /* our reference */
    struct message_client client;
    struct envelope_address sender;
    char *sender_arg; /* as the MTA gave it */
    char *login;      /* NULL: not authenticated */
    char *envid;      /* NULL: none */
    bool tls;
    bool trusted;

    struct request_mail mail;
    struct request_header header;
    struct rules_facts facts;
    bool may_be_asked; /* some recipient may require or waive TLS before the header is seen */

    struct rules_header *headers; /* copies, for rules that look at them */
    size_t header_count;
    size_t header_octets;
    bool headers_lost;      /* too many: what rules would have said is not known */
    unsigned route_headers; /* forged ones */
    bool received;          /* a Received field was seen */
    bool again;             /* the message has been here already, and was sent to a second smtpd */

    struct recipient *recipients;
    size_t recipient_count;
    size_t recipient_cap;
    int64_t rcpt_waited_ms; /* of rcpt_wait, by all recipients together */

    struct bounce *bounce; /* ours; NULL: not a bounce, or none that may be redacted */
};

/* --- MAIL ------------------------------------------------------------------------------------ */

static void write_line(int priority, const struct logline *line)
{
    char text[LOGLINE_MAX];
    char *json = log_is_json() ? logline_json(line) : NULL;

    logline_text(line, text, sizeof(text));
    log_line(priority, text, json);
    free(json);
}

/* The client learns of a temporary failure only; the administrator is told why. */
static enum message_step fail(int priority, const char *queue_id, const char *why)
{
    char id[64];

    log_msg(priority, "%s: message deferred: %s",
            queue_id != NULL ? log_quote_field(queue_id, id, sizeof(id)) : "NOQUEUE", why);
    return MESSAGE_FAIL;
}

static void log_refused_mail(const struct message *m, const struct reply *reply,
                             const char *queue_id)
{
    char address[NI_MAXHOST] = "local";
    struct logline line = {
        .queue_id = queue_id,
        .from = m->sender.text,
        .client = address,
        .request = m->mail.parameter || m->mail.marker ? "require" : NULL,
        .action = reply->code >= 500 ? "reject" : "tempfail",
        .wait_us = -1,
        .reason = reply->text,
    };
    const struct sockaddr *sa = m->client.address;

    if (sa != NULL) {
        socklen_t len =
            sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

        if (getnameinfo(sa, len, address, sizeof(address), NULL, 0, NI_NUMERICHOST) != 0)
            strcpy(address, "unknown");
    }
    write_line(LOG_INFO, &line);
    metrics_message(runtime_metrics(m->runtime),
                    m->mail.parameter || m->mail.marker ? METRICS_REQUEST_REQUIRE
                                                        : METRICS_REQUEST_NONE,
                    reply->code >= 500 ? METRICS_REJECT : METRICS_TEMPFAIL);
}

static bool is_null_sender(const struct message *m)
{
    return m->sender.null_path;
}

/* Facts about the message as a whole, for rules. */
static void set_facts(struct message *m)
{
    m->facts = (struct rules_facts){
        .known = RULES_FACT_CLIENT | RULES_FACT_AUTHENTICATED | RULES_FACT_TLS | RULES_FACT_SENDER |
                 RULES_FACT_DAEMON,
        .client_address = m->client.address,
        .client_name = m->client.name,
        .authenticated = m->login,
        .tls = m->tls,
        .sender = m->sender.text,
        .daemon = m->client.daemon,
    };
}

/* What MAIL alone makes wrong. Returns whether the message may go on. */
static bool check_mail(struct message *m, struct reply *reply)
{
    struct rules_origin origin;
    bool undecided = false;
    enum rules_request rule = rules_request(m->config, &m->facts, &undecided, &origin);
    bool asks = (m->mail.parameter || m->mail.marker) && rule != RULES_REQUEST_IGNORE;

    m->may_be_asked = asks || rule == RULES_REQUEST_REQUIRE || undecided;
    if (m->mail.with_value) {
        reply_set(reply, 501, "5.5.4", "REQUIRETLS takes no value");
        return false;
    }
    if (!m->trusted && envelope_is_tagged(m->sender.domain, m->config->milter.tag)) {
        reply_set(reply, 550, "5.1.8", "Sender address rejected: reserved domain");
        return false;
    }
    /* A null reverse-path is never refused for what it asks (RFC 8689 section 5). */
    if (asks && !m->tls && !m->trusted && !is_null_sender(m)) {
        reply_set(reply, 530, "5.7.10", "REQUIRETLS needs an encrypted session: use STARTTLS");
        return false;
    }
    return true;
}

static char *copy(const char *text, bool *ok)
{
    char *out;

    if (text == NULL || text[0] == '\0')
        return NULL;
    out = strdup(text);
    if (out == NULL)
        *ok = false;
    return out;
}

/* Needs m->config. */
static bool read_mail(struct message *m, const struct message_mail *mail)
{
    bool ok = true;

    request_read_mail(mail->params, m->config->milter.marker, &m->mail);
    m->sender_arg = copy(mail->sender, &ok);
    m->login = copy(mail->login, &ok);
    m->envid = copy(m->mail.envid, &ok);
    m->mail.envid = m->envid;
    m->tls = mail->tls;
    m->trusted = config_is_trusted(m->config, m->client.address);
    /* A reverse-path that cannot be parsed is the MTA's to refuse; it is not the null one. */
    if (envelope_parse(mail->sender, &m->sender) != 0)
        m->sender = (struct envelope_address){.null_path = false};
    set_facts(m);
    return ok;
}

/*
 * Mail without SMTP has nobody who could be told about one recipient: Postfix then keeps the
 * message and tries again for ever. Its refusals wait for end-of-message, when the whole of it
 * bounces.
 */
static bool is_without_smtp(const struct message *m)
{
    return m->client.address == NULL;
}

static bool may_be_redacted(const struct message *m)
{
    switch (m->config->milter.redact_dsn) {
    case CONFIG_REDACT_NO:
        return false;
    case CONFIG_REDACT_ALL:
        return is_null_sender(m);
    case CONFIG_REDACT_OWN:
    default:
        return is_null_sender(m) && is_without_smtp(m);
    }
}

/* False: out of memory, or the connection is older than the configuration that asks for it. */
static bool begin_bounce(struct message *m)
{
    if (!may_be_redacted(m))
        return true;
    if (m->client.sends_body)
        m->bounce = bounce_new(runtime_seen_ids(m->runtime));
    return m->bounce != NULL;
}

enum message_step message_begin(struct runtime *runtime, const struct message_client *client,
                                const struct message_mail *mail, struct reply *reply,
                                struct message **out)
{
    struct message *m;

    *out = NULL;
    if (!runtime_message_begin(runtime)) {
        reply_set(reply, 451, "4.3.2", "This service is being restarted; try again later");
        return MESSAGE_REFUSE;
    }
    m = calloc(1, sizeof(*m));
    if (m == NULL) {
        runtime_message_end(runtime);
        return fail(LOG_ERR, mail->queue_id, no_memory);
    }
    m->runtime = runtime;
    m->client = *client;
    m->config = runtime_config(runtime);
    if (!read_mail(m, mail)) {
        message_free(m);
        return fail(LOG_ERR, mail->queue_id, no_memory);
    }
    if (!begin_bounce(m)) {
        message_free(m);
        return fail(LOG_WARNING, mail->queue_id,
                    client->sends_body
                        ? no_memory
                        : "bounces are redacted since this connection began: it gives no body");
    }
    if (!check_mail(m, reply)) {
        log_refused_mail(m, reply, mail->queue_id);
        message_free(m);
        return MESSAGE_REFUSE;
    }
    *out = m;
    return MESSAGE_CONTINUE;
}

void message_free(struct message *m)
{
    struct runtime *runtime;

    if (m == NULL)
        return;
    runtime = m->runtime;
    for (size_t i = 0; i < m->recipient_count; i++)
        recipient_fini(&m->recipients[i]);
    free(m->recipients);
    for (size_t i = 0; i < m->header_count; i++)
        free((void *)(uintptr_t)m->headers[i].name); /* the value lives in the same memory */
    free(m->headers);
    free(m->sender_arg);
    free(m->login);
    free(m->envid);
    bounce_free(m->bounce);
    config_unref(m->config);
    free(m);
    runtime_message_end(runtime);
}

/* --- counting -------------------------------------------------------------------------------- */

static enum metrics_action metrics_action_of(enum decide_action action)
{
    switch (action) {
    case DECIDE_ACCEPT:
        return METRICS_ACCEPT;
    case DECIDE_REJECT:
        return METRICS_REJECT;
    case DECIDE_QUARANTINE:
        return METRICS_QUARANTINE;
    case DECIDE_LOG:
        return METRICS_LOG;
    case DECIDE_TEMPFAIL:
    default:
        return METRICS_TEMPFAIL;
    }
}

/* The message as a whole, under the strictest request of its recipients. */
static void count_message(const struct message *m, enum metrics_action action)
{
    enum metrics_request request = METRICS_REQUEST_NONE;

    for (size_t i = 0; i < m->recipient_count; i++) {
        enum decide_request asked = m->recipients[i].asked.request;

        if (asked == DECIDE_REQUEST_REQUIRE)
            request = METRICS_REQUEST_REQUIRE;
        else if (asked == DECIDE_REQUEST_OPTIONAL && request == METRICS_REQUEST_NONE)
            request = METRICS_REQUEST_OPTIONAL;
    }
    metrics_message(runtime_metrics(m->runtime), request, action);
}

/* --- one recipient --------------------------------------------------------------------------- */

static void log_recipient(const struct message *m, const struct recipient *r, const char *queue_id,
                          enum decide_action action, const char *reason)
{
    const struct config_route *route = routing_of(r, m->again);
    const struct recipient_outcome *o = r->outcome;
    struct logline line = {.queue_id = queue_id,
                           .from = m->sender.text,
                           .to = r->address,
                           .wait_us = r->waited_ms * 1000};

    line.nexthop = o->nexthop[0] != '\0' ? o->nexthop : "-";
    line.request = decide_request_name(r->asked.request);
    line.level = r->asked.request == DECIDE_REQUEST_REQUIRE ? verdict_level_name(o->level) : NULL;
    line.findings = o->decision.findings;
    line.expect = o->decision.expect[0] != '\0' ? o->decision.expect : NULL;
    line.verdict = verdict_value_name(o->decision.verdict);
    line.action = decide_action_name(action);
    line.route = route != NULL ? route->name : "-";
    line.fallback = o->decision.fell_back ? verdict_level_name(o->decision.level) : NULL;
    line.reason = reason != NULL                  ? reason
                  : o->decision.reason[0] != '\0' ? o->decision.reason
                                                  : NULL;
    write_line(o->decision.fell_back ? LOG_WARNING : LOG_INFO, &line);
    if (r->asked.request == DECIDE_REQUEST_REQUIRE)
        metrics_recipient(runtime_metrics(m->runtime), o->level, o->decision.verdict);
}

static void log_settled(const struct message *m, const struct recipient *r, const char *queue_id)
{
    if (r->outcome != NULL)
        log_recipient(m, r, queue_id, r->outcome->decision.action, NULL);
}

static bool is_believed(const struct message *m)
{
    switch (m->config->milter.accept_header) {
    case CONFIG_ACCEPT_ANY:
        return true;
    case CONFIG_ACCEPT_AUTHENTICATED:
        return m->login != NULL || m->trusted;
    case CONFIG_ACCEPT_TRUSTED:
        return m->trusted;
    case CONFIG_ACCEPT_NO:
    default:
        return false;
    }
}

static int settle(struct message *m, struct recipient *r, const struct recipient_patience *patience)
{
    struct recipient_context context = {
        .config = m->config,
        .engine = runtime_engine(m->runtime),
        .gate = runtime_gate(m->runtime),
        .facts = &m->facts,
        .mail = &m->mail,
        .header = &m->header,
        .believed = is_believed(m),
        .null_sender = is_null_sender(m),
    };

    return r->settled ? 0 : recipient_settle(r, &context, patience);
}

/* --- RCPT ------------------------------------------------------------------------------------ */

/* A place for one more, or NULL. */
static struct recipient *next_recipient(struct message *m)
{
    if (m->recipient_count == m->recipient_cap) {
        size_t cap = m->recipient_cap > 0 ? 2 * m->recipient_cap : 4;
        struct recipient *more = realloc(m->recipients, cap * sizeof(*more));

        if (more == NULL)
            return NULL;
        m->recipients = more;
        m->recipient_cap = cap;
    }
    return &m->recipients[m->recipient_count];
}

/* Settles the new recipient as far as RCPT allows. */
static int settle_at_rcpt(struct message *m, struct recipient *r)
{
    struct recipient_patience patience = {.mode = RECIPIENT_TRY};
    int64_t before_ms = r->waited_ms;
    int rc;

    patience.deadline_ms = wait_now_ms() + m->config->milter.rcpt_wait_ms - m->rcpt_waited_ms;
    rc = settle(m, r, &patience);
    m->rcpt_waited_ms += r->waited_ms - before_ms;
    return rc;
}

/* The longest of our tags that the address ends with. */
static void untag(const struct config *config, struct envelope_address *address)
{
    const char *tag = config->milter.tag;

    for (size_t i = 0; i < config->route_count; i++) {
        const char *own = config->routes[i].tag;

        if (envelope_is_tagged(address->domain, own) && strlen(own) > strlen(tag))
            tag = own;
    }
    envelope_untag(address, tag);
}

enum message_step message_rcpt(struct message *m, const struct message_recipient *recipient,
                               struct reply *reply)
{
    struct envelope_address address;
    bool parsed = envelope_parse(recipient->address, &address) == 0;
    bool tagged = parsed && envelope_is_tagged(address.domain, m->config->milter.tag);
    struct recipient_args args = {.arg = recipient->address,
                                  .address = parsed ? &address : NULL,
                                  .host = tagged ? NULL : recipient->host,
                                  .mailer = tagged ? NULL : recipient->mailer};
    const char *queue_id = recipient->queue_id;
    struct recipient *r;

    if (m->recipient_count >= RECIPIENTS_MAX && !is_without_smtp(m)) {
        reply_set(reply, 452, "4.5.3", "Too many recipients");
        return MESSAGE_REFUSE;
    }
    if (tagged && !m->trusted) {
        char shown[130];

        reply_set(reply, 550, "5.1.2", "<%s>: Recipient address rejected: reserved domain",
                  reply_clean(address.text, shown, sizeof(shown)));
        return MESSAGE_REFUSE;
    }
    if (tagged)
        untag(m->config, &address);
    request_read_rcpt(recipient->params, &args.params);
    r = next_recipient(m);
    if (r == NULL || recipient_init(r, &args) != 0)
        return fail(LOG_ERR, queue_id, no_memory);
    r->marked = tagged;
    if (m->may_be_asked && settle_at_rcpt(m, r) != 0) {
        recipient_fini(r);
        return fail(LOG_ERR, queue_id, no_memory);
    }
    if (r->settled && recipient_is_refused(r) && !is_without_smtp(m)) {
        decide_reply(&r->outcome->decision, r->address, r->asked.asker, reply);
        log_settled(m, r, queue_id);
        recipient_fini(r);
        return MESSAGE_REFUSE;
    }
    m->recipient_count++;
    return MESSAGE_CONTINUE;
}

/* --- the header ------------------------------------------------------------------------------ */

/* Keeps a copy for the rules. What cannot be kept is remembered as lost, never as absent. */
static void keep_header(struct message *m, const char *name, const char *value)
{
    size_t name_len = strlen(name) + 1, value_len = strlen(value) + 1;
    char *text;

    if (m->headers == NULL)
        m->headers = calloc(HEADERS_MAX, sizeof(*m->headers));
    if (m->headers == NULL || m->header_count == HEADERS_MAX ||
        m->header_octets + name_len + value_len > HEADER_OCTETS_MAX ||
        (text = malloc(name_len + value_len)) == NULL) {
        m->headers_lost = true;
        return;
    }
    memcpy(text, name, name_len);
    memcpy(text + name_len, value, value_len);
    m->headers[m->header_count++] = (struct rules_header){.name = text, .value = text + name_len};
    m->header_octets += name_len + value_len;
}

/*
 * Whether the newest Received field, this host's own, has the queue id of a message that was sent
 * to a second smtpd of this host: so a second smtpd with the same filter makes no loop.
 */
static bool has_been_here(const struct message *m, const char *value)
{
    static const char blanks[] = " \t\r\n";
    char key[SEEN_IDS_LEN_MAX + 1];
    bool is_id = false;

    for (value += strspn(value, blanks); *value != '\0'; value += strspn(value, blanks)) {
        size_t len = strcspn(value, " \t\r\n;");

        if (is_id) {
            snprintf(key, sizeof(key), ">%.*s", (int)(len < 64 ? len : 64), value);
            return seen_ids_contains(runtime_seen_ids(m->runtime), key);
        }
        is_id = len == 2 && strncasecmp(value, "id", 2) == 0;
        value += len > 0 ? len : 1;
    }
    return false;
}

void message_header(struct message *m, const char *name, const char *value)
{
    request_read_header(&m->header, name, value);
    if (m->bounce != NULL)
        bounce_header(m->bounce, name, value);
    if (m->trusted && !m->received && request_is_field(name, "Received")) {
        m->received = true;
        m->again = has_been_here(m, value);
    }
    if (request_is_field(name, m->config->milter.route_header))
        m->route_headers++;
    if (rules_wants_header(m->config, name))
        keep_header(m, name, value);
}

/* Bounces name the message that bounced by its queue id, which MTAs may use again. */
static void remember(const struct message *m, const char *queue_id, bool require)
{
    struct seen_ids *seen = runtime_seen_ids(m->runtime);

    if (queue_id == NULL)
        return;
    if (require)
        seen_ids_add(seen, queue_id);
    else
        seen_ids_remove(seen, queue_id);
}

static void remember_reinjected(const struct message *m, const char *queue_id)
{
    char key[SEEN_IDS_LEN_MAX + 2];

    snprintf(key, sizeof(key), ">%s", queue_id != NULL ? queue_id : "");
    seen_ids_add(runtime_seen_ids(m->runtime), key);
}

static bool all_settled_without_change(const struct message *m)
{
    const struct config_route *route;

    if (m->route_headers > 0)
        return false;
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];

        if (!r->settled || r->asked.request == DECIDE_REQUEST_REQUIRE)
            return false;
        if ((route = routing_of(r, m->again)) != NULL && route->method != CONFIG_METHOD_NONE)
            return false;
    }
    return true;
}

enum message_step message_eoh(struct message *m, const char *queue_id)
{
    struct recipient_patience patience = {.mode = RECIPIENT_ASK};

    m->facts.known |= RULES_FACT_HEADER;
    m->facts.headers = m->headers;
    m->facts.header_count = m->header_count;
    if (m->headers_lost)
        return fail(LOG_WARNING, queue_id, "more header fields that rules look at than are kept");
    if (m->bounce != NULL && bounce_wanted(m->bounce))
        return MESSAGE_CONTINUE; /* what it asks for may yet be found in its body */
    bounce_free(m->bounce);
    m->bounce = NULL;
    for (size_t i = 0; i < m->recipient_count; i++) {
        if (settle(m, &m->recipients[i], &patience) != 0)
            return fail(LOG_ERR, queue_id, no_memory);
    }
    if (!all_settled_without_change(m))
        return MESSAGE_CONTINUE;
    for (size_t i = 0; i < m->recipient_count; i++)
        log_settled(m, &m->recipients[i], queue_id);
    count_message(m, METRICS_ACCEPT);
    remember(m, queue_id, false);
    return MESSAGE_DONE;
}

enum message_step message_body(struct message *m, const char *data, size_t len)
{
    if (m->bounce == NULL)
        return MESSAGE_DONE;
    return bounce_body(m->bounce, data, len) == 0 ? MESSAGE_CONTINUE : MESSAGE_FAIL;
}

/* --- end-of-message -------------------------------------------------------------------------- */

/* A bounce of mail with TLS-Required: No goes back as it came (RFC 8689 section 5). */
static bool end_bounce(struct message *m)
{
    enum dsn_rewrite_request request;

    if (m->bounce == NULL)
        return true;
    if (bounce_end(m->bounce, &request) != 0)
        return false;
    if (request == DSN_REWRITE_OPTIONAL && m->header.tls_required == 0)
        m->header.tls_required = m->header.tls_required_no = 1;
    return true;
}

static bool change_bounce(struct message *m, const char *queue_id, const struct message_ops *ops)
{
    bool redacted;

    if (m->bounce == NULL)
        return true;
    if (!bounce_apply(m->bounce, ops, &redacted))
        return false;
    if (redacted) {
        char shown[64];

        log_msg(LOG_INFO, "%s: took the returned message's body out of a bounce of REQUIRETLS mail",
                log_quote_field(queue_id, shown, sizeof(shown)));
        metrics_dsn_redacted(runtime_metrics(m->runtime));
    }
    return true;
}

/* Many short waits, one for each recipient, are a long one for the MTA. */
struct life {
    const struct message_ops *ops;
    int64_t shown_ms;
};

/* wait_alive_fn */
static bool show_life(void *arg)
{
    struct life *life = arg;

    life->shown_ms = wait_now_ms();
    return life->ops->progress(life->ops->arg);
}

static int settle_all(struct message *m, const struct message_ops *ops)
{
    struct life life = {.ops = ops, .shown_ms = wait_now_ms()};
    struct recipient_patience patience = {
        .mode = RECIPIENT_CONCLUDE,
        .deadline_ms = life.shown_ms + m->config->milter.eom_wait_ms,
        .alive = show_life,
        .alive_arg = &life,
    };

    for (size_t i = 0; i < m->recipient_count; i++) {
        /* With what wait.c may add, a sign of life every three seconds. */
        if (wait_now_ms() - life.shown_ms >= LIFE_GAP_MS && !show_life(&life))
            return -1;
        if (settle(m, &m->recipients[i], &patience) != 0 || !m->recipients[i].settled)
            return -1;
    }
    return 0;
}

struct tally {
    size_t rejected; /* a definite no, and the message is to be refused for it */
    size_t kept;     /* a definite no, left to the MTA's bounce */
    size_t deferred;
    size_t good;
};

/*
 * A definite no for some recipients refuses the message for all, unless `mixed` leaves those to the
 * MTA. What is only deferred cannot be left to anyone: the message is.
 */
static struct tally count(const struct message *m)
{
    struct tally tally = {0};

    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient_outcome *o = m->recipients[i].outcome;

        if (!recipient_is_refused(&m->recipients[i]))
            tally.good++;
        else if (o->decision.action != DECIDE_REJECT)
            tally.deferred++;
        else if (o->mixed == RULES_MIXED_KEEP)
            tally.kept++;
        else
            tally.rejected++;
    }
    /* With nobody to deliver to there is nothing to keep; but who is only deferred may be good at
     * the next try. */
    if (tally.good == 0 && tally.deferred == 0) {
        tally.rejected += tally.kept;
        tally.kept = 0;
    }
    return tally;
}

/* One line for each recipient that is the reason; the last line counts those that do not fit. */
static void fill_refusal(const struct message *m, enum decide_action action,
                         struct message_refusal *refusal)
{
    size_t left = 0;

    refusal->count = 0;
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];

        if (!recipient_is_refused(r) || r->outcome->decision.action != action)
            continue;
        if (refusal->count < MESSAGE_LINES_MAX)
            decide_reply(&r->outcome->decision, r->address, r->asked.asker,
                         &refusal->lines[refusal->count++]);
        else
            left++;
    }
    if (left > 0) {
        struct reply *last = &refusal->lines[MESSAGE_LINES_MAX - 1];

        reply_set(last, last->code, last->status, "and %zu more recipients", left + 1);
    }
}

static enum message_step refuse(const struct message *m, const struct tally *tally,
                                const char *queue_id, struct message_refusal *refusal)
{
    enum decide_action action = tally->rejected > 0 ? DECIDE_REJECT : DECIDE_TEMPFAIL;

    fill_refusal(m, action, refusal);
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];

        if (r->outcome != NULL)
            log_recipient(m, r, queue_id, action,
                          recipient_is_refused(r) ? NULL : "refused for another recipient's sake");
    }
    count_message(m, metrics_action_of(action));
    return MESSAGE_REFUSE;
}

static void plan_changes(const struct message *m, const struct routing *routing,
                         struct modify_plan *plan)
{
    *plan = (struct modify_plan){
        .sender = m->sender_arg,
        .envid = m->envid,
        .ret = m->mail.ret,
        .route_headers = m->route_headers,
        .null_sender = is_null_sender(m),
        .has_require_header = m->header.require_esmtp,
        .reinjects = routing_reinjects(routing),
    };
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];

        if (r->asked.request == DECIDE_REQUEST_REQUIRE && r->outcome != NULL)
            modify_plan_require(plan, &r->outcome->decision);
    }
}

static void log_accepted(const struct message *m, const char *queue_id)
{
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];

        if (recipient_is_refused(r))
            log_recipient(m, r, queue_id, DECIDE_LOG, NULL); /* mixed = keep */
        else
            log_settled(m, r, queue_id);
    }
}

/* What no change of the message could bring about. */
static enum message_step refuse_whole(const struct message *m, const char *queue_id,
                                      enum metrics_action action, struct message_refusal *refusal,
                                      const char *why)
{
    refusal->count = 1;
    if (action == METRICS_REJECT)
        reply_set(&refusal->lines[0], 550, "5.7.10", "%s", why);
    else
        reply_set(&refusal->lines[0], 451, "4.7.10", "%s", why);
    log_msg(LOG_WARNING, "%s: message refused: %s", queue_id != NULL ? queue_id : "NOQUEUE", why);
    count_message(m, action);
    return MESSAGE_REFUSE;
}

static enum message_step change(struct message *m, const struct routing *routing,
                                const char *queue_id, const struct message_ops *ops,
                                struct message_refusal *refusal)
{
    struct modify_plan plan;

    plan_changes(m, routing, &plan);
    if (plan.quarantine != NULL && !ops->can_quarantine) {
        char why[REPLY_TEXT_MAX];

        (void)fail(LOG_ERR, queue_id, "the MTA offers no quarantine");
        snprintf(why, sizeof(why), "This message cannot be held here: %s", plan.quarantine);
        return refuse_whole(m, queue_id, METRICS_TEMPFAIL, refusal, why);
    }
    if (routing->plan.way == ROUTE_REFUSE)
        return refuse_whole(m, queue_id, METRICS_REJECT, refusal,
                            "This message requires TLS, but its recipients take different ways: "
                            "send it to each separately");
    if (!modify_apply(&plan, m->config, ops) || !routing_apply(routing, m->config, ops) ||
        !change_bounce(m, queue_id, ops))
        return fail(LOG_ERR, queue_id, "the MTA did not take a change of it");
    remember(m, queue_id, plan.require);
    if (plan.reinjects)
        remember_reinjected(m, queue_id);
    log_accepted(m, queue_id);
    count_message(m, plan.quarantine != NULL ? METRICS_QUARANTINE : METRICS_ACCEPT);
    return MESSAGE_DONE;
}

enum message_step message_eom(struct message *m, const char *queue_id,
                              const struct message_ops *ops, struct message_refusal *refusal)
{
    enum message_step step;
    struct routing routing;
    struct tally tally;

    if (!end_bounce(m) || settle_all(m, ops) != 0)
        return fail(LOG_ERR, queue_id, "its recipients could not be settled");
    tally = count(m);
    if (tally.rejected > 0 || tally.deferred > 0)
        return refuse(m, &tally, queue_id, refusal);
    if (routing_init(&routing, m->config, m->recipients, m->recipient_count, m->again) != 0)
        return fail(LOG_ERR, queue_id, no_memory);
    step = change(m, &routing, queue_id, ops, refusal);
    routing_fini(&routing);
    return step;
}
