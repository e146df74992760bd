/*
 * What came of the request of sts_request.c, which calls one of these at a time:
 * sts_result_not_verified() when the handshake is over and failed, sts_result_response() each time
 * that something was read, sts_result_failed() and sts_result_local() for all else that ends it.
 * The result is FETCH_OK with the body, or another enum fetch_status with a text for people; what
 * of it is the peer's is made printable. sts_http.c judges status code and type of the content.
 */
#include "sts/sts_result.h"

#include "sts/sts_http.h"

#include <stdarg.h>
#include <stdio.h>

void sts_result_failed(struct sts_result *result, enum fetch_status status, const char *format, ...)
{
    char text[STS_RESULT_FAILURE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sts_http_printable(text, result->failure, sizeof(result->failure));
    result->fetch = (struct fetch_result){.status = status, .failure = result->failure};
}

void sts_result_local(struct sts_result *result)
{
    sts_result_failed(result, FETCH_LOCAL, "this host lacks memory or descriptors");
}

void sts_result_not_verified(const struct tls_proof *proof, struct sts_result *result)
{
    switch (proof->why) {
    case TLS_WHY_EXPIRED:
    case TLS_WHY_NAME:
    case TLS_WHY_UNTRUSTED:
    case TLS_WHY_WEAK:
    case TLS_WHY_NO_TLSA_MATCH:
    case TLS_WHY_NO_FINGERPRINT_MATCH:
    case TLS_WHY_NO_CERTIFICATE:
        sts_result_failed(result, FETCH_WEBPKI, "certificate of the policy host: %s",
                          proof->reason);
        break;
    case TLS_WHY_LOCAL:
        sts_result_failed(result, FETCH_LOCAL, "policy host not verified: %s", proof->reason);
        break;
    case TLS_WHY_PROTOCOL:
    case TLS_WHY_HANDSHAKE:
    case TLS_WHY_NOTHING:
    default:
        sts_result_failed(result, FETCH_FAILED, "TLS with the policy host: %.100s", proof->reason);
        break;
    }
}

/* The response is over; status is not MORE. */
static void say_end(const struct http_response *response, enum http_response_status status,
                    struct sts_result *result)
{
    switch (status) {
    case HTTP_RESPONSE_DONE:
        result->fetch = (struct fetch_result){
            .status = FETCH_OK,
            .body = response->body != NULL ? response->body : "",
            .body_len = response->body_len,
        };
        break;
    case HTTP_RESPONSE_HEAD_TOO_LONG:
        sts_result_failed(result, FETCH_REFUSED, "HTTP header is larger than %d octets",
                          HTTP_RESPONSE_HEAD_MAX);
        break;
    case HTTP_RESPONSE_BODY_TOO_LONG:
        sts_result_failed(result, FETCH_REFUSED, "policy is larger than %zu octets",
                          response->body_max);
        break;
    case HTTP_RESPONSE_CUT:
        sts_result_failed(result, FETCH_FAILED, "policy host: connection cut %s",
                          response->has_head ? "within the policy" : "before the answer");
        break;
    case HTTP_RESPONSE_NO_MEMORY:
        sts_result_local(result);
        break;
    case HTTP_RESPONSE_BAD:
    case HTTP_RESPONSE_MORE:
    default:
        sts_result_failed(result, FETCH_FAILED, "policy host: the answer is no valid HTTP");
        break;
    }
}

/* A response that is no policy is given up as soon as its head is there. */
bool sts_result_response(const struct http_response *response, enum http_response_status status,
                         struct sts_result *result)
{
    char failure[STS_RESULT_FAILURE_MAX];
    enum fetch_status judged = FETCH_OK;

    if (response->has_head)
        judged = sts_http_judge((long)response->code,
                                response->has_content_type ? response->content_type : NULL, failure,
                                sizeof(failure));
    if (judged != FETCH_OK)
        sts_result_failed(result, judged, "%s", failure);
    else if (status != HTTP_RESPONSE_MORE)
        say_end(response, status, result);
    return judged != FETCH_OK || status != HTTP_RESPONSE_MORE;
}
