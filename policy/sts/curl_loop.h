/*
 * libcurl's multi interface on a libevent loop: sockets and timer in, finished transfers out.
 * Knows nothing of what is transferred. One thread.
 */
#ifndef POLICY_STS_CURL_LOOP_H
#define POLICY_STS_CURL_LOOP_H

#include <curl/curl.h>
#include <event2/event.h>

struct curl_loop;

/* The transfer is over and already taken out of the loop; easy is the caller's again. From here
 * transfers may be added and removed, but the loop not freed. */
typedef void (*curl_loop_done_fn)(CURL *easy, CURLcode code, void *arg);

struct curl_loop *curl_loop_new(struct event_base *base, curl_loop_done_fn done, void *arg);
void curl_loop_free(struct curl_loop *loop); /* empty by then; NULL is allowed */

/* Starts a transfer; done comes later from the event loop. 0 or -ENOMEM. */
int curl_loop_add(struct curl_loop *loop, CURL *easy);
void curl_loop_remove(struct curl_loop *loop, CURL *easy);

#endif
