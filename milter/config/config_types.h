/*
 * How the values of keys are read, each type by a function as config_keys.h describes it: text in,
 * the field of the configuration out. Between the table of keys and config_value.c, which knows no
 * keys.
 */
#ifndef MILTER_CONFIG_CONFIG_TYPES_H
#define MILTER_CONFIG_CONFIG_TYPES_H

#include "config/config_keys.h"

#define TYPE(name)                                                                                 \
    const char *name(struct arena *arena, const struct config_key *key, const char *value,         \
                     void *field)

TYPE(config_type_bool);
TYPE(config_type_duration);
TYPE(config_type_size);
TYPE(config_type_memory);
TYPE(config_type_count);
TYPE(config_type_count_int);
TYPE(config_type_count_size);
TYPE(config_type_mode);
TYPE(config_type_port);
TYPE(config_type_word);
TYPE(config_type_text);
TYPE(config_type_user);
TYPE(config_type_marker);
TYPE(config_type_path);
TYPE(config_type_domain);
TYPE(config_type_field_name);
TYPE(config_type_milter_socket);
TYPE(config_type_address);
TYPE(config_type_trust_ad);
TYPE(config_type_store);
TYPE(config_type_facility);
TYPE(config_type_log_level);
TYPE(config_type_level);
TYPE(config_type_tls_policy);
TYPE(config_type_undecided);
TYPE(config_type_request);
TYPE(config_type_default_request);
TYPE(config_type_tristate);

/* Of the delivery agent (config_types_deliver.c). */
TYPE(config_type_file);         /* a path, never empty */
TYPE(config_type_life);         /* seconds, int64_t */
TYPE(config_type_max_message);  /* octets, uint64_t; 0 */
TYPE(config_type_sessions);     /* 4 to 10000 */
TYPE(config_type_addresses);    /* 1 to 20 */
TYPE(config_type_smtp_timeout); /* milliseconds; 1 s to 1 h */
TYPE(config_type_loopback);     /* a listener's address that only this host reaches */
TYPE(config_type_unix_socket);  /* unix:/path, of which the path is kept; empty: NULL */
TYPE(config_type_audit);        /* a template; empty: NULL */
TYPE(config_type_nexthop);      /* in its canonical form; empty: NULL */

/* Of the shared cache (config_types_shared.c). */
TYPE(config_item_shared);         /* an item of a list; it tells what is wrong */
TYPE(config_type_shared_timeout); /* milliseconds; 10 ms to 2 s */

/* Items of lists: *field is the array, already grown by one. */
TYPE(config_item_text);
TYPE(config_item_resolver);
TYPE(config_item_net);
TYPE(config_item_source);
TYPE(config_item_pattern);
TYPE(config_item_can);

#undef TYPE

#endif
