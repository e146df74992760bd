/*
 * What mail servers did when they were probed, as text for people: query_text_probes below the line
 * of each MX host, a few lines for each address; query_text_unprobed where there are none at all.
 * What is not known is left out.
 */
#include "query/query.h"
#include "query/query_line.h"

#include <inttypes.h>
#include <string.h>

static const char *member(const struct json_value *object, const char *key)
{
    return json_text(json_get(object, key));
}

static const struct json_value *elements(const struct json_value *object, const char *key)
{
    const struct json_value *list = json_get(object, key);
    return list != NULL ? list->first : NULL;
}

/* Items of one line; the line is begun by the first of them. */
struct line {
    FILE *out;
    bool begun;
};

static void begin_item(struct line *line)
{
    if (line->begun) {
        fputs(", ", line->out);
        return;
    }
    query_line_label(line->out, "");
    fputs("  ", line->out);
    line->begun = true;
}

static void put_item(struct line *line, const char *what, const char *value)
{
    if (value == NULL)
        return;
    begin_item(line);
    fputs(what, line->out);
    query_line_put(line->out, value);
}

static void put_known(struct line *line, const struct json_value *value, const char *yes,
                      const char *no)
{
    if (value != NULL && (value->type == JSON_TRUE || value->type == JSON_FALSE))
        put_item(line, "", json_is_true(value) ? yes : no);
}

static void put_check(struct line *line, const struct json_value *probe, const char *what,
                      const char *key, const char *key_failure)
{
    const char *failure = member(probe, key_failure);
    put_item(line, what, member(probe, key));
    if (failure == NULL || member(probe, key) == NULL)
        return;
    fputs(" (", line->out);
    query_line_put(line->out, failure);
    fputc(')', line->out);
}

static void end_line(struct line *line)
{
    if (line->begun)
        fputc('\n', line->out);
    line->begun = false;
}

static void print_head(FILE *out, const struct json_value *probe)
{
    const char *address = member(probe, "address"), *failure = member(probe, "failure");
    bool brackets = address != NULL && strchr(address, ':') != NULL;
    query_line_label(out, "");
    fputs(brackets ? "[" : "", out);
    query_line_put(out, address != NULL ? address : "-");
    fprintf(out, "%s:%" PRId64 " ", brackets ? "]" : "", json_number(json_get(probe, "port"), 0));
    query_line_put(out, member(probe, "result"));
    if (failure != NULL)
        fputs(": ", out);
    query_line_put(out, failure);
    fputc('\n', out);
}

static void print_probe(FILE *out, const struct json_value *probe)
{
    struct line line = {.out = out};
    print_head(out, probe);
    put_known(&line, json_get(probe, "starttls"), "STARTTLS", "no STARTTLS");
    put_item(&line, "", member(probe, "protocol"));
    put_item(&line, "", member(probe, "cipher"));
    put_known(&line, json_get(probe, "requiretls"), "REQUIRETLS", "no REQUIRETLS");
    end_line(&line);
    const char *what = "certificate for ";
    for (const struct json_value *name = elements(probe, "names"); name != NULL;
         name = name->next) {
        put_item(&line, what, json_text(name));
        what = "";
    }
    put_item(&line, line.begun ? "until " : "certificate until ", member(probe, "not_after"));
    end_line(&line);
    put_item(&line, "SPKI SHA-256 ", member(probe, "spki_sha256"));
    end_line(&line);
    put_check(&line, probe, "DANE ", "dane", "dane_failure");
    put_check(&line, probe, "Web PKI ", "web_pki", "web_pki_failure");
    end_line(&line);
    put_item(&line, "looked at ", member(probe, "checked"));
    end_line(&line);
}

void query_text_probes(FILE *out, const struct json_value *host)
{
    for (const struct json_value *probe = elements(host, "probe"); probe != NULL;
         probe = probe->next)
        print_probe(out, probe);
}

void query_text_unprobed(FILE *out, const struct json_value *object)
{
    for (const struct json_value *host = elements(object, "mx"); host != NULL; host = host->next) {
        if (elements(host, "probe") != NULL)
            return;
    }
    const char *security = member(object, "security");
    query_line_label(out, "probe");
    if (elements(object, "mx") != NULL)
        fputs("no server was looked at: none that mail may go to has an address that can be "
              "connected to\n",
              out);
    else if (security != NULL && strcmp(security, "failed") == 0)
        fputs("no server was looked at: it is not known which there are\n", out);
    else
        fputs("there is no server to look at\n", out);
}
