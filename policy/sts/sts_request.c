/*
 * One HTTPS request for an MTA-STS policy file (RFC 8461 section 3.3) on libcurl.
 *
 * What a policy host could do to us, and what is done about it here: answer too much (header and
 * body are counted as they come), lead elsewhere (no redirects, no proxies, no other protocol),
 * hide behind another's certificate (see sts_trust.c). Each request has a connection, a TLS session
 * and a name entry of its own; none outlives it.
 */
#include "sts/sts_request.h"

#include "policy/nexthop.h"
#include "sts/sts_http.h"
#include "tls/sts_trust.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    HEADER_MAX = 64 * 1024,
    FAILURE_MAX = 200,
    /* libcurl's own name cache: long enough to hold the addresses it is given until it connects.
     * Every request brings its own. */
    NAME_CACHE_S = 600,
};

struct sts_request {
    struct curl_loop *loop;
    sts_request_done_fn done;
    void *arg;
    char *host;
    X509_STORE *trust; /* a reference */
    CURL *easy;
    bool running; /* easy is in the loop */
    struct curl_slist *resolve;
    char curl_error[CURL_ERROR_SIZE];

    SSL_CTX *tls; /* of the last connection, a reference; NULL before */

    char *body;
    size_t body_len, body_room, body_max;
    size_t header_len;
    bool transfer_encoding; /* the header has that field */

    bool settled; /* the result below holds, whatever libcurl says */
    struct fetch_result result;
    char failure[FAILURE_MAX];
};

static void request_settle(struct sts_request *request, enum fetch_status status,
                           const char *format, ...) __attribute__((format(printf, 3, 4)));

static void request_settle(struct sts_request *request, enum fetch_status status,
                           const char *format, ...)
{
    char text[FAILURE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sts_http_printable(text, request->failure, sizeof(request->failure));
    request->settled = true;
    request->result = (struct fetch_result){.status = status, .failure = request->failure};
}

static bool judge_response(struct sts_request *request)
{
    const char *content_type = NULL;
    char failure[FAILURE_MAX];
    long code = 0;
    enum fetch_status status;

    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(request->easy, CURLINFO_CONTENT_TYPE, &content_type);
    status = sts_http_judge(code, content_type, failure, sizeof(failure));
    if (status != FETCH_OK)
        request_settle(request, status, "%s", failure);
    return status == FETCH_OK;
}

static bool body_reserve(struct sts_request *request, size_t len)
{
    size_t room = request->body_room > 0 ? request->body_room : 1024;
    char *grown;

    while (room < len)
        room *= 2;
    if (room == request->body_room)
        return true;
    grown = realloc(request->body, room);
    if (grown == NULL)
        return false;
    request->body = grown;
    request->body_room = room;
    return true;
}

/* A response that is no policy is given up at its first octet. */
static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct sts_request *request = arg;
    size_t len = size * count;

    if (request->body_len == 0 && !judge_response(request))
        return CURL_WRITEFUNC_ERROR;
    if (len > request->body_max - request->body_len) {
        request_settle(request, FETCH_REFUSED, "policy is larger than %zu octets",
                       request->body_max);
        return CURL_WRITEFUNC_ERROR;
    }
    if (!body_reserve(request, request->body_len + len)) {
        request_settle(request, FETCH_FAILED, "out of memory");
        return CURL_WRITEFUNC_ERROR;
    }
    memcpy(request->body + request->body_len, data, len);
    request->body_len += len;
    return len;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    static const char field[] = "transfer-encoding:";
    struct sts_request *request = arg;

    request->header_len += size * count;
    if (request->header_len > HEADER_MAX) {
        request_settle(request, FETCH_REFUSED, "HTTP header is larger than %d octets", HEADER_MAX);
        return CURL_WRITEFUNC_ERROR;
    }
    if (size * count >= sizeof(field) - 1 && strncasecmp(data, field, sizeof(field) - 1) == 0)
        request->transfer_encoding = true;
    return size * count;
}

static CURLcode on_tls_context(CURL *easy, void *ctx, void *arg)
{
    struct sts_request *request = arg;

    (void)easy;
    if (sts_trust_apply(ctx, request->trust, request->host) != 0)
        return CURLE_OUT_OF_MEMORY;
    SSL_CTX_free(request->tls);
    SSL_CTX_up_ref(ctx);
    request->tls = ctx;
    return CURLE_OK;
}

/*
 * A body that ends only with the connection is whole only if the peer ended that (RFC 9112 section
 * 9.8): whoever sits on the line could cut it, and so the policy, where he likes.
 */
static bool body_is_whole(const struct sts_request *request)
{
    curl_off_t length = -1;
    long version = 0;

    curl_easy_getinfo(request->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    curl_easy_getinfo(request->easy, CURLINFO_HTTP_VERSION, &version);
    return length >= 0 || request->transfer_encoding || version > CURL_HTTP_VERSION_1_1 ||
           (request->tls != NULL && sts_trust_closed(request->tls));
}

/* libcurl knows the addresses; should it ever want to ask the system's resolver, it may not. */
static int on_foreign_lookup(void *state, void *reserved, void *arg)
{
    (void)state;
    (void)reserved;
    (void)arg;
    return 1;
}

static void settle_certificate(struct sts_request *request)
{
    long result = X509_V_OK;

    curl_easy_getinfo(request->easy, CURLINFO_SSL_VERIFYRESULT, &result);
    request_settle(request, FETCH_WEBPKI, "certificate of the policy host: %s",
                   result != X509_V_OK ? X509_verify_cert_error_string(result)
                                       : "does not match its name");
}

/* What libcurl's own result means. It is trouble on the way, but for the certificate. */
static void settle_error(struct sts_request *request, CURLcode code)
{
    long os_error = 0;

    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        settle_certificate(request);
    } else if (code == CURLE_COULDNT_CONNECT) {
        curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &os_error);
        request_settle(request, FETCH_FAILED, "cannot connect to the policy host: %s",
                       os_error != 0 ? strerror((int)os_error) : "no address answers");
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        request_settle(request, FETCH_FAILED, "timed out %s", sts_request_step(request));
    } else if (code == CURLE_SSL_CONNECT_ERROR && request->curl_error[0] != '\0') {
        request_settle(request, FETCH_FAILED, "TLS with the policy host: %.100s",
                       request->curl_error);
    } else {
        request_settle(request, FETCH_FAILED, "policy host: %s", curl_easy_strerror(code));
    }
}

void sts_request_on_done(CURL *easy, CURLcode code, void *arg)
{
    struct sts_request *request = NULL;

    (void)arg;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&request);
    request->running = false;
    if (!request->settled && code != CURLE_OK)
        settle_error(request, code);
    if (!request->settled && judge_response(request) && !body_is_whole(request))
        request_settle(request, FETCH_FAILED, "policy host: connection cut within the policy");
    if (!request->settled)
        request->result = (struct fetch_result){
            .status = FETCH_OK,
            .body = request->body != NULL ? request->body : "",
            .body_len = request->body_len,
        };
    request->done(&request->result, request->arg);
}

/* What is the same for all requests. */
static CURLcode set_rules(CURL *easy)
{
    CURLcode r = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");

    /* A proxy of the environment would see and could steer what is fetched. */
    if (r == CURLE_OK)
        r = curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (r == CURLE_OK)
        r = curl_easy_setopt(easy, CURLOPT_USERAGENT, "requiretls-milter/" POLICY_VERSION);
    if (r == CURLE_OK)
        r = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (r == CURLE_OK)
        r = curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_foreign_lookup);
    if (r == CURLE_OK)
        r = curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
    if (r != CURLE_OK)
        return r;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    /* The CA certificates come from sts_trust.c, read once and not for each connection; libcurl is
     * to load none and to keep none. */
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, (long)NAME_CACHE_S);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    return CURLE_OK;
}

/* What is this request's own. */
static CURLcode set_terms(struct sts_request *request, const struct sts_request_terms *terms)
{
    char url[sizeof("https://:65535/.well-known/mta-sts.txt") + NEXTHOP_NAME_MAX];
    char port[sizeof(":65535")] = "";
    CURL *easy = request->easy;
    CURLcode r;

    if (terms->port != 443)
        snprintf(port, sizeof(port), ":%u", (unsigned)terms->port);
    snprintf(url, sizeof(url), "https://%s%s/.well-known/mta-sts.txt", terms->host, port);
    r = curl_easy_setopt(easy, CURLOPT_URL, url);
    if (r != CURLE_OK)
        return r;
    curl_easy_setopt(easy, CURLOPT_RESOLVE, request->resolve);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)terms->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->curl_error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, request);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    return CURLE_OK;
}

/* An entry with a `+` leaves libcurl's name cache in time, others would stay for ever. */
static struct curl_slist *resolve_entry(const struct sts_request_terms *terms)
{
    size_t len = strlen(terms->addresses) + strlen(terms->host) + sizeof("+:65535:");
    struct curl_slist *list;
    char *entry = malloc(len);

    if (entry == NULL)
        return NULL;
    snprintf(entry, len, "+%s:%u:%s", terms->host, (unsigned)terms->port, terms->addresses);
    list = curl_slist_append(NULL, entry);
    free(entry);
    return list;
}

struct sts_request *sts_request_new(struct curl_loop *loop, const struct sts_request_terms *terms,
                                    sts_request_done_fn done, void *arg)
{
    struct sts_request *request = calloc(1, sizeof(*request));

    if (request == NULL)
        return NULL;
    request->loop = loop;
    request->done = done;
    request->arg = arg;
    request->body_max = terms->max_policy;
    X509_STORE_up_ref(terms->trust);
    request->trust = terms->trust;
    request->host = strdup(terms->host);
    request->resolve = resolve_entry(terms);
    request->easy = curl_easy_init();
    if (request->host == NULL || request->resolve == NULL || request->easy == NULL ||
        set_rules(request->easy) != CURLE_OK || set_terms(request, terms) != CURLE_OK ||
        curl_loop_add(loop, request->easy) != 0) {
        sts_request_free(request);
        return NULL;
    }
    request->running = true;
    return request;
}

void sts_request_free(struct sts_request *request)
{
    if (request == NULL)
        return;
    if (request->running)
        curl_loop_remove(request->loop, request->easy);
    curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->resolve);
    SSL_CTX_free(request->tls);
    X509_STORE_free(request->trust);
    free(request->host);
    free(request->body);
    free(request);
}

const char *sts_request_step(const struct sts_request *request)
{
    curl_off_t secured = 0, answered = 0;

    curl_easy_getinfo(request->easy, CURLINFO_APPCONNECT_TIME_T, &secured);
    curl_easy_getinfo(request->easy, CURLINFO_STARTTRANSFER_TIME_T, &answered);
    if (request->tls == NULL)
        return "connecting to the policy host";
    if (secured == 0)
        return "in the TLS handshake with the policy host";
    return answered == 0 ? "waiting for the policy host's answer" : "receiving the policy";
}
