divert(-1)
#
# requiretls-milter for sendmail 8.17 and later; see README for what to put where.
#
divert(0)dnl
dnl
dnl The filter. With F=T mail is deferred while it is down or fails; without F it would all pass.
INPUT_MAIL_FILTER(`requiretls',
	`S=unix:/run/requiretls-milter/milter.sock, F=T, T=C:30s;S:10s;R:60s;E:5m')dnl
dnl
dnl MTA-STS for all mail. The name of a socket map goes with each question: this one is `sts'.
FEATURE(`sts', `socket -d10 -T<TMPF> unix:/run/requiretls-milter/policy.sock')dnl
dnl
dnl No connection is kept for the next message: sendmail would look for the server's name in the
dnl certificate of whichever server it has seen last, for MTA-STS as well as for mail that requires
dnl TLS, and defer or bounce what it should send.
define(`confMCI_CACHE_SIZE', `0')dnl
dnl
dnl Mail on a route is reinjected here. sendmail keeps the flag of the listener with the message as long as
dnl it is in the queue, whatever its recipients become by aliases: Q, TLS to verified servers; Y, TLS; Z,
dnl the level opportunistic, which the delivery agent alone treats otherwise than mail without a request; N,
dnl TLS-Required: No. Only clients on this host can connect; no milter is asked.
DAEMON_OPTIONS(`Name=requiretls-strict, Family=inet, Addr=127.0.0.1, Port=8695, M=AESQ, InputMailFilters=')dnl
DAEMON_OPTIONS(`Name=requiretls-encrypt, Family=inet, Addr=127.0.0.1, Port=8696, M=AESY, InputMailFilters=')dnl
DAEMON_OPTIONS(`Name=requiretls-may, Family=inet, Addr=127.0.0.1, Port=8694, M=AESZ, InputMailFilters=')dnl
DAEMON_OPTIONS(`Name=requiretls-optional, Family=inet, Addr=127.0.0.1, Port=8697, M=AESN, InputMailFilters=')dnl

LOCAL_CONFIG
O SetCertAltnames=true
C{RequireTLS_verified}OK TRUSTED
Krtlsmacro macro
# What mail that requires TLS demands of its next-hop's servers.
Kenforce_pki socket -d10 -T<TMPF> unix:/run/requiretls-milter/policy.sock
# The names in the answer, secure match=a:b:c, with a colon behind the last.
Krtlsmatch regex -a: -s2 (match=)(.*)

MAILER_DEFINITIONS
# From the queue to the listeners above, without the tag.
Mrtlsstrict,	P=[IPC], F=mDFMuXak8, S=EnvFromSMTP/HdrFromSMTP, R=RequireTLS_untag,
		E=\r\n, L=2040, T=DNS/RFC822/SMTP,
		A=TCP [127.0.0.1] 8695
Mrtlsencrypt,	P=[IPC], F=mDFMuXak8, S=EnvFromSMTP/HdrFromSMTP, R=RequireTLS_untag,
		E=\r\n, L=2040, T=DNS/RFC822/SMTP,
		A=TCP [127.0.0.1] 8696
Mrtlsmay,	P=[IPC], F=mDFMuXak8, S=EnvFromSMTP/HdrFromSMTP, R=RequireTLS_untag,
		E=\r\n, L=2040, T=DNS/RFC822/SMTP,
		A=TCP [127.0.0.1] 8694
Mrtlsoptional,	P=[IPC], F=mDFMuXak8, S=EnvFromSMTP/HdrFromSMTP, R=RequireTLS_untag,
		E=\r\n, L=2040, T=DNS/RFC822/SMTP,
		A=TCP [127.0.0.1] 8697

LOCAL_RULE_0
# Recipients that the filter has tagged.
R$* < @ $+ . requiretls . invalid . >	$@ $>RequireTLS_tagged $1 < @ $2 . requiretls . invalid . >
R$* < @ $+ . requiretls . invalid >	$@ $>RequireTLS_tagged $1 < @ $2 . requiretls . invalid . >

LOCAL_RULESETS
# The way of a tagged recipient. The host is a name by which the rules below know it. What came in by
# a listener is on its way already: a tag then is that of an alias or a .forward file, which cannot
# choose another.
SRequireTLS_tagged
R$*				$: $1 $| $&{daemon_flags}
R$* $| $* QQ $*			$#error $@ 5.1.2 $: "550 REQUIRETLS: reserved domain"
R$* $| $* YY $*			$#error $@ 5.1.2 $: "550 REQUIRETLS: reserved domain"
R$* $| $* ZZ $*			$#error $@ 5.1.2 $: "550 REQUIRETLS: reserved domain"
R$* $| $* NN $*			$#error $@ 5.1.2 $: "550 REQUIRETLS: reserved domain"
R$* $| $*			$: $1
R$* < @ $+ . encrypt . requiretls . invalid . >	$#rtlsencrypt $@ requiretls.invalid $: $1 < @ $2 . encrypt . requiretls . invalid . >
R$* < @ $+ . may . requiretls . invalid . >	$#rtlsmay $@ requiretls.invalid $: $1 < @ $2 . may . requiretls . invalid . >
R$* < @ $+ . optional . requiretls . invalid . >	$#rtlsoptional $@ requiretls.invalid $: $1 < @ $2 . optional . requiretls . invalid . >
R$*				$#rtlsstrict $@ requiretls.invalid $: $1

SRequireTLS_untag
R$* < @ $+ . > $*		$1 < @ $2 > $3
R$* < @ $+ . encrypt . requiretls . invalid >	$@ $1 < @ $2 >
R$* < @ $+ . may . requiretls . invalid >	$@ $1 < @ $2 >
R$* < @ $+ . optional . requiretls . invalid >	$@ $1 < @ $2 >
R$* < @ $+ . requiretls . invalid >	$@ $1 < @ $2 >

# What the message in hand asks for. The way to the listeners above is within this host. Bounces are
# never held to what their message required (RFC 8689 section 4.2.1): they come from nobody, or from
# the name in the macro n if sendmail made them here. Other senders need not have a domain.
SRequireTLS_asked
R$*				$: $&h $| $&f $| $&{daemon_flags}
Rrequiretls . invalid $| $*	$@ anything
R$* $| $* $| $* NN $*		$@ anything
R$* $| $| $*			$@ nothing
R$* $| <> $| $*			$@ nothing
R$* $| $&n $| $*		$@ nothing
R$* $| $* $| $* QQ $*		$@ strict
R$* $| $* $| $* YY $*		$@ encrypt
R$*				$@ nothing

# Whether a recipient's mail may go to the server that we are connected to: $#OK or an error. The
# next-hop is the host that the connection is for, wherever a mailertable or a smart host sends mail;
# for recipients of other domains that come along because they have the same MX hosts, that domain.
SRequireTLS_strict
R$*				$: $>canonify $1
R$*				$: $1 $| $>parse $1
R$* $| $# $- $- $&h $*		$: < $&h >
R$* < @ $+ > $* $| $*		$: < $2 >
R< $+ . >			$: < $1 >
R$* $| $*			$#error $@ 5.7.10 $: "550 REQUIRETLS: the recipient has no next-hop"
R< $* [ $&{server_name} ] $* >	$@ $>RequireTLS_nexthop [ $&{server_name} ]
R< $+ >				$@ $>RequireTLS_list $1

# A list of next-hops, from a mailertable: one of them must do.
SRequireTLS_list
R[ $+ ]				$@ $>RequireTLS_nexthop [ $1 ]
R$+ : $+			$: < $2 > $| $>RequireTLS_nexthop $1
R< $+ > $| $#OK			$#OK
R< $+ > $| $#error $- 4 $*	$#error $2 4 $3
R< $+ > $| $*			$@ $>RequireTLS_list $1
R$+				$@ $>RequireTLS_nexthop $1

# One next-hop.
SRequireTLS_nexthop
R$+ .				$: $1
R$+				$: $(rtlsmacro {RequireTLS_hop} $@ $1 $) < $(enforce_pki $1 $: none $) >
R< $* < TMPF > >		$#error $@ 4.4.3 $: "451 REQUIRETLS: what is published for " $&{RequireTLS_hop} " cannot be looked up now"
R< may $* >			$#OK
R< $* servername=hostname >	$: < $1 >
R< $* >				$: < : $(rtlsmatch $1 $: : $) >
# One of the servers that count, by its own name, or one below a name that begins with a dot?
R< $* >				$: $(rtlsmacro {RequireTLS_name} $@ $&{server_name} $) < $1 >
R< $* : $&{RequireTLS_name} : $* >	$@ $>RequireTLS_certificate
R< $* >				$: < $1 > $| $&{server_name}
R< $* > $| $- . $*		$: $(rtlsmacro {RequireTLS_name} $@ . $3 $) < $1 >
R< $* : $&{RequireTLS_name} : $* >	$@ $>RequireTLS_certificate
R< $* >				$#error $@ 5.7.10 $: "550 REQUIRETLS: " $&{server_name} " is no server by which " $&{RequireTLS_hop} " can be verified"

# Whether the server's certificate has a trust chain, and its name: $#OK or an error.
SRequireTLS_certificate
R$*				$: < $&{verify} > $&{server_name}
R< $={RequireTLS_verified} > $={cert_altnames}	$#OK
R< $={RequireTLS_verified} > $- . $+	$: < $1 > * . $3
R< $={RequireTLS_verified} > $={cert_altnames}	$#OK
R< $={RequireTLS_verified} > $*		$#error $@ 5.7.10 $: "550 REQUIRETLS: the certificate of " $&{server_name} " has another name"
R< NONE > $*			$#error $@ 5.7.10 $: "550 REQUIRETLS: " $&{server_name} " does not offer TLS"
R$*				$#error $@ 5.7.10 $: "550 REQUIRETLS: the certificate of " $&{server_name} " cannot be verified: " $&{verify}

# Whether there is TLS at all; the rules of sendmail's own come after this.
SRequireTLS_encrypted
R$*				$: $&{cipher_bits}
R$+				$@ OK
R$*				$#error $@ 5.7.10 $: "550 REQUIRETLS: " $&{server_name} " does not offer TLS"

SRequireTLS
R$*				$: $1 $| $>RequireTLS_asked
R$* $| anything			$#OK
R $| strict			$@ OK
R$* $| strict			$@ $>RequireTLS_strict $1
R$* $| encrypt			$@ $>RequireTLS_encrypted
R$*				$@ OK

# When the connection stands, for the first recipient: another server can still be tried. Then for
# each of them.
define(`_LOCAL_TLS_SERVER_')dnl
SLocal_tls_server
R$*				$@ $>RequireTLS $&{rcpt_addr}
define(`_LOCAL_TLS_RCPT_')dnl
SLocal_tls_rcpt
R$*				$@ $>RequireTLS $1

divert(0)dnl
