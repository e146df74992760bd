/*
 * Single values of the configuration: text in, typed value out. Pure. Each returns NULL when the
 * text is good, else what would have been: a phrase for `expected ...`.
 */
#ifndef MILTER_CONFIG_CONFIG_VALUE_H
#define MILTER_CONFIG_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* An address and how many of its leading bits count. */
struct config_net {
    int family;          /* AF_INET, AF_INET6 */
    uint8_t address[16]; /* network byte order */
    unsigned prefix;
};

const char *config_value_bool(const char *text, bool *out);
const char *config_value_duration_ms(const char *text, int *out); /* 500ms 5s 10m 3h 1d; > 0 */
const char *config_value_life_s(const char *text, uint64_t *out); /* 60s 30d; 1 m to 365 d */
const char *config_value_size(const char *text, size_t *out);     /* 64k 1m; > 0 */
const char *config_value_message_size(const char *text, uint64_t *out); /* 64k 1m 2g; > 0 */
const char *config_value_count(const char *text, unsigned *out);        /* 1 to 1000000000 */
const char *config_value_mode(const char *text, mode_t *out);           /* octal, at most 0777 */
const char *config_value_net(const char *text, struct config_net *out);

/* Whether the address lies in the net; an IPv4-mapped IPv6 address counts as IPv4. */
bool config_net_contains(const struct config_net *net, const struct sockaddr *address);

/* The index of the word in a NULL-ended list of words, any case; -1. */
int config_value_word(const char *text, const char *const *words);

#endif
