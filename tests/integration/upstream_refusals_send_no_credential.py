"""No password leaves before the right server has shown its certificate: what
is wrong upstream is told, waited for, and never answered with a login."""
from lib.harness import main, scenario, wait_for
from lib.mail import without_received
from lib.smtpclient import message


def tried(fake, count=2):
    """So many connections came to their end: the first may be a probe, the
    second shows that another try is no wiser."""
    return sum(session.ended for session in fake.sessions) >= count


def refusal(name, spoil, cure=None, account=None, words=()):
    """spoil(fake) makes the upstream wrong; nothing may be sent then."""
    def run(t):
        fake = t.fake()
        spoil(fake)
        over = dict(account or {})
        if over.get("tls") == "implicit":
            over["port"] = fake.implicit_port
        daemon = t.daemon(fake, account=over).start()
        data = message()
        daemon.send(data)
        fake.wait(lambda: tried(fake, 1), 30, "a try")
        wait_for(lambda: any(word in daemon.log_now().lower()
                             for word in words), 20,
                 "one of %r in the log" % (words,))
        t.equal(fake.logins, [], "logins")
        t.equal(fake.leaks, [], "credentials in clear text")
        t.equal(fake.messages, [], "messages")
        t.equal(daemon.queued(), 1, "queued messages")
        t.equal(daemon.queue(failed=True), [], "failed messages")
        healthy = type(fake.behaviour)()
        healthy.user = fake.behaviour.user
        healthy.password = fake.behaviour.password
        fake.behaviour = healthy
        fake.clear_rules()
        if cure:
            cure(fake)
        daemon.ask("account.resume", all=True)
        daemon.ask("queue.flush")
        got = fake.wait_messages(1)[0]
        t.equal(without_received(got.data), data, "the message, later")
        t.equal(fake.leaks, [], "credentials in clear text")

    run.__name__ = name
    scenario(run)


def offers(**how):
    def spoil(fake):
        for key, value in how.items():
            setattr(fake.behaviour, key, value)

    return spoil


CERTIFICATE = ("certificate", "verify")
refusal("starttls_not_offered", offers(strip={"STARTTLS"}),
        words=("starttls",))
refusal("starttls_refused",
        lambda fake: fake.rule("STARTTLS", "454 4.7.0 TLS not available"),
        words=("starttls", "tls not available"))
refusal("bytes_behind_the_220", offers(after_220=b"250 2.0.0 injected\r\n"),
        words=("behind", "inject", "before the handshake", "plaintext",
               "starttls"))
refusal("an_answer_injected_behind_the_220", offers(
    after_220=b"250-smtp.gmail.com\r\n250 AUTH PLAIN LOGIN\r\n"
    b"235 2.7.0 Accepted\r\n"),
    words=("behind", "inject", "before the handshake", "plaintext",
           "starttls"))
refusal("certificate_of_another_host", offers(certificate="wrong_name"),
        words=CERTIFICATE)
refusal("certificate_with_the_name_in_cn", offers(certificate="name_in_cn"),
        words=CERTIFICATE)
refusal("certificate_with_a_nul_in_its_name",
        offers(certificate="nul_in_name"), words=CERTIFICATE)
refusal("certificate_expired", offers(certificate="expired"),
        words=CERTIFICATE)
refusal("certificate_of_an_unknown_authority",
        offers(certificate="unknown_ca"), words=CERTIFICATE)
refusal("certificate_by_itself", offers(certificate="self_signed"),
        words=CERTIFICATE)
refusal("certificate_of_another_host_on_the_tls_port",
        offers(certificate="wrong_name"), account={"tls": "implicit"},
        words=CERTIFICATE)
refusal("certificate_of_an_unknown_authority_on_the_tls_port",
        offers(certificate="unknown_ca"), account={"tls": "implicit"},
        words=CERTIFICATE)
refusal("tls_too_old", offers(max_tls="TLSv1.1"),
        words=("version", "protocol", "tls"))
refusal("no_login_offered", offers(strip={"AUTH"}), words=("auth", "login"))
refusal("no_mechanism_of_ours_offered", offers(mechanisms="XOAUTH2 GSSAPI"),
        words=("auth", "mechanism", "login"))
refusal("dropped_at_the_greeting",
        lambda fake: fake.rule("BANNER", action="drop"),
        words=("greeting", "closed", "connection"))
refusal("dropped_at_ehlo", lambda fake: fake.rule("EHLO", action="drop"),
        words=("ehlo", "closed", "connection"))
refusal("dropped_in_the_handshake",
        lambda fake: fake.rule("STARTTLS", action="drop"),
        words=("tls", "closed", "connection"))
refusal("reset_at_the_greeting",
        lambda fake: fake.rule("BANNER", action="reset"),
        words=("reset", "closed", "connection"))
refusal("refused_at_the_greeting",
        lambda fake: fake.rule("BANNER", "554 5.7.1 no service for you"),
        words=("no service for you",))


@scenario
def what_is_said_in_clear_before_tls_is_forgotten(t):
    fake = t.fake()
    # a line that comes behind the answer to EHLO is not the answer to STARTTLS
    fake.behaviour.after_ehlo = b"220 2.0.0 Ready to start TLS\r\n"
    daemon = t.daemon(fake).start()
    daemon.send(message())
    fake.wait(lambda: tried(fake, 1) or fake.messages, 30, "a try")
    t.equal(fake.leaks, [], "credentials in clear text")


@scenario
def only_ehlo_starttls_and_quit_are_said_in_clear(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.send(message())
    fake.wait_messages(1)
    clear = [text.split()[0] for session in fake.sessions
             for text, secure in session.commands if not secure]
    t.equal(clear, ["EHLO", "STARTTLS"], "commands in clear text")
    t.clean(fake)


if __name__ == "__main__":
    main()
