divert(-1)
#
# The delivery agent of requiretls-milter, for sendmail 8.17 and later; see README. To be included after requiretls.m4.
#
divert(0)dnl
LOCAL_NET_CONFIG
# What requires TLS, or waives it, goes to the agent, unless it stays here or a mailertable has a way for it. The host is
# the name by which the rules of requiretls.m4 know a way within this host.
R$* < @ $+ > $*			$: $1 < @ $2 > $3 $| $>RequireTLS_flags
R$* < @ $+ > $* $| strict	$#rtlsdeliver $@ requiretls.invalid $: $1 < @ $2 > $3
R$* < @ $+ > $* $| encrypt	$#rtlsdelivertls $@ requiretls.invalid $: $1 < @ $2 > $3
R$* < @ $+ > $* $| may		$#rtlsdelivermay $@ requiretls.invalid $: $1 < @ $2 > $3
R$* < @ $+ > $* $| optional	$#rtlsdeliverany $@ requiretls.invalid $: $1 < @ $2 > $3
R$* $| $*			$: $1

MAILER_DEFINITIONS
# By LMTP to the agent. It answers for a recipient when the next server has.
Mrtlsdeliver,	P=[IPC], F=mDFMuXakz8, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP,
		E=\r\n, L=2040, T=DNS/RFC822/SMTP,
		A=FILE /run/requiretls-deliver/strict.sock
Mrtlsdelivertls,	P=[IPC], F=mDFMuXakz8, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP,
		E=\r\n, L=2040, T=DNS/RFC822/SMTP,
		A=FILE /run/requiretls-deliver/encrypt.sock
Mrtlsdelivermay,	P=[IPC], F=mDFMuXakz8, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP,
		E=\r\n, L=2040, T=DNS/RFC822/SMTP,
		A=FILE /run/requiretls-deliver/may.sock
Mrtlsdeliverany,	P=[IPC], F=mDFMuXakz8, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP,
		E=\r\n, L=2040, T=DNS/RFC822/SMTP,
		A=FILE /run/requiretls-deliver/optional.sock

LOCAL_RULESETS
# What the message in hand asks for, by the listener that it was reinjected to. Mail from nobody goes the ordinary way,
# as in RequireTLS_asked, which also looks at the host that is being delivered to: there is none yet. The address that a
# bounce goes to is looked at while the message that it tells of is still in hand, so it goes the way of that: to the
# agent, which treats what comes from nobody as at the level opportunistic at most.
SRequireTLS_flags
R$*				$: $&f $| $&{daemon_flags}
R$* $| $* NN $*			$@ optional
R$| $*				$@ nothing
R<> $| $*			$@ nothing
R$&n $| $*			$@ nothing
R$* $| $* QQ $*			$@ strict
R$* $| $* YY $*			$@ encrypt
R$* $| $* ZZ $*			$@ may
R$*				$@ nothing

divert(0)dnl
