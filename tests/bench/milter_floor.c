/*
 * The least a milter can do: libmilter with callbacks that do nothing. What a real filter costs is
 * measured against it.
 *
 *   milter_floor SOCKET ACTIONS OPTIONS EOH [STAGE=MACROS]...
 *
 * ACTIONS and OPTIONS, in hexadecimal, and the macro lists are what it negotiates; OPTIONS 0: every
 * callback, each answered. EOH, `accept` or `continue`, is what it says at the end of the header.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmilter/mfapi.h>

static unsigned long actions, options;
static sfsistat at_eoh = SMFIS_CONTINUE;
static char *lists[SMFIM_LAST + 1];

static sfsistat quiet(unsigned long option)
{
    return options & option ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
                             unsigned long f3, unsigned long *pf0, unsigned long *pf1,
                             unsigned long *pf2, unsigned long *pf3)
{
    (void)f2;
    (void)f3;
    for (int stage = SMFIM_FIRST; stage <= SMFIM_LAST; stage++) {
        if (lists[stage] != NULL && smfi_setsymlist(ctx, stage, lists[stage]) != MI_SUCCESS)
            return SMFIS_REJECT;
    }
    *pf0 = actions & f0;
    *pf1 = options & f1;
    *pf2 = *pf3 = 0;
    return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *host, struct sockaddr *address)
{
    (void)ctx;
    (void)host;
    (void)address;
    return quiet(SMFIP_NR_CONN);
}

static sfsistat on_text(SMFICTX *ctx, char *text)
{
    (void)ctx;
    (void)text;
    return quiet(SMFIP_NR_HELO);
}

static sfsistat on_unknown(SMFICTX *ctx, const char *text)
{
    (void)ctx;
    (void)text;
    return SMFIS_CONTINUE;
}

static sfsistat on_words(SMFICTX *ctx, char **words)
{
    (void)ctx;
    (void)words;
    return SMFIS_CONTINUE;
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
    (void)ctx;
    (void)name;
    (void)value;
    return quiet(SMFIP_NR_HDR);
}

static sfsistat on_eoh(SMFICTX *ctx)
{
    (void)ctx;
    return at_eoh;
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *data, size_t len)
{
    (void)ctx;
    (void)data;
    (void)len;
    return options & SMFIP_SKIP ? SMFIS_SKIP : SMFIS_CONTINUE;
}

static sfsistat nothing(SMFICTX *ctx)
{
    (void)ctx;
    return SMFIS_CONTINUE;
}

int main(int argc, char **argv)
{
    static char name[] = "floor";
    struct smfiDesc filter = {
        .xxfi_name = name,
        .xxfi_version = SMFI_VERSION,
        .xxfi_flags = 0x1ff,
        .xxfi_connect = on_connect,
        .xxfi_helo = on_text,
        .xxfi_envfrom = on_words,
        .xxfi_envrcpt = on_words,
        .xxfi_header = on_header,
        .xxfi_eoh = on_eoh,
        .xxfi_body = on_body,
        .xxfi_eom = nothing,
        .xxfi_abort = nothing,
        .xxfi_close = nothing,
        .xxfi_unknown = on_unknown,
        .xxfi_data = nothing,
        .xxfi_negotiate = on_negotiate,
    };
    if (argc < 5)
        return 64;
    actions = strtoul(argv[2], NULL, 16);
    options = strtoul(argv[3], NULL, 16);
    if (strcmp(argv[4], "accept") == 0)
        at_eoh = SMFIS_ACCEPT;
    for (int i = 5; i < argc; i++) {
        char *list = strchr(argv[i], '=');
        int stage = atoi(argv[i]);
        if (list != NULL && stage >= SMFIM_FIRST && stage <= SMFIM_LAST)
            lists[stage] = list + 1;
    }
    if (smfi_setconn(argv[1]) != MI_SUCCESS || smfi_register(filter) != MI_SUCCESS)
        return 1;
    return smfi_main() == MI_SUCCESS ? 0 : 1;
}
