/* The label `request` of metrics. */
#ifndef MILTER_BASE_METRICS_REQUEST_H
#define MILTER_BASE_METRICS_REQUEST_H

enum metrics_request {
    METRICS_REQUEST_NONE,
    METRICS_REQUEST_OPTIONAL,
    METRICS_REQUEST_REQUIRE,
    METRICS_REQUESTS
};

static inline const char *metrics_request_name(unsigned request)
{
    static const char *const names[METRICS_REQUESTS] = {
        [METRICS_REQUEST_NONE] = "none",
        [METRICS_REQUEST_OPTIONAL] = "optional",
        [METRICS_REQUEST_REQUIRE] = "require",
    };

    return names[request];
}

#endif
