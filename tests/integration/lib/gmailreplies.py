"""gmailreplies.py - what Gmail may say, and what should come of it.

Written from Google's list of errors and from reports about it, apart from the
table in src/relay/gmail.c. Where a row has no word about a moment the general
rules hold (see usual()).
"""
import collections
import itertools

MINUTE, HOUR = 60, 3600
RETRY = 10 * MINUTE     # the schedule of the daemons that are tested with it

# --- what may come of a reply

Outcome = collections.namedtuple("Outcome", "kind state first cap")


def throttle(first, cap):
    return Outcome("pause", "throttled", first, cap)


def hold(first, cap):
    return Outcome("pause", "held", first, cap)


def later(wait=RETRY):
    """Deferred by so many seconds; the connection serves the next one."""
    return Outcome("later", None, wait, None)


BRIEF = throttle(1 * MINUTE, 30 * MINUTE)
EHLO_NAME = throttle(5 * MINUTE, 1 * HOUR)
NO_AUTH_NOW = throttle(5 * MINUTE, 1 * HOUR)
LOGINS = throttle(15 * MINUTE, 4 * HOUR)
PEAK = throttle(10 * MINUTE, 1 * HOUR)
RATE = throttle(1 * HOUR, 6 * HOUR)
DISTRUST = throttle(4 * HOUR, 4 * HOUR)
QUOTA = Outcome("pause", "over-quota", 1 * HOUR, 4 * HOUR)
HOLD = hold(1 * HOUR, 12 * HOUR)
WEB = hold(12 * HOUR, 12 * HOUR)
LATER = later()
FAIL = Outcome("fail", None, None, None)
SPLIT = Outcome("split", None, None, None)
# a new connection, at once and without penalty
RECONNECT = Outcome("reconnect", None, None, None)
# connection trouble: everybody waits for a little, nobody is blamed
BACK_OFF = Outcome("back-off", None, None, None)
# said once, there is another way on the same connection
OTHER_WAY = Outcome("other-way", None, None, None)

# --- the moments

START = ("BANNER", "EHLO", "STARTTLS")
MESSAGE = ("MAIL", "RCPT", "DATA", "FINAL", "FINAL-DATA")
CONTENT = ("DATA", "FINAL", "FINAL-DATA")
AGAIN = ("MAIL-REUSED",)    # the second message of a connection
BETWEEN = ("RSET", "READY")
MOMENTS = START + ("AUTH",) + MESSAGE + AGAIN + BETWEEN


def usual(code, moment):
    """The general rules, for what nobody has thought of."""
    if moment == "READY" or (moment in AGAIN and code == 421):
        return RECONNECT    # whoever idles is sent away: nobody's fault
    if code == 421 or moment in START + BETWEEN:
        return BACK_OFF
    if moment == "AUTH":
        return NO_AUTH_NOW if code < 500 else HOLD
    if code >= 500 and moment == "RCPT":
        return FAIL
    # an unknown 5xx to the whole message is no verdict yet
    return LATER


class Row:
    """reply; what comes of it: moments -> Outcome, "any" for all of them; cure:
    a word of the advice; twice: it is said a second time, and what then; alarm:
    the moments at which it is a line at error level, as nothing else tells of
    it, once it has had an effect."""

    def __init__(self, reply, outcomes, cure=None, twice=None, alarm=()):
        self.reply = reply
        self.lines = reply.split("\n")
        self.code = int(reply[:3])
        self.cure = cure
        self.twice = twice or {}
        self.alarm = alarm
        self.outcomes = {}
        for moments, outcome in outcomes.items():
            if moments == "any":
                moments = MOMENTS
            elif isinstance(moments, str):
                moments = (moments,)
            for moment in moments:
                self.outcomes[moment] = outcome
                if moment == "MAIL":
                    self.outcomes.setdefault("MAIL-REUSED", outcome)

    def outcome(self, moment):
        outcome = self.outcomes.get(moment)
        if outcome is None:
            return usual(self.code, moment)
        # on a connection that idles only the account's own trouble counts
        if moment == "READY" and outcome.kind != "pause":
            return RECONNECT
        if moment in AGAIN and self.code == 421 and outcome.kind != "pause":
            return RECONNECT
        return outcome


# not understood: a new connection, with nothing pipelined; then later
OUR_BUG = {MESSAGE: RECONNECT, START + ("AUTH", "RSET"): BACK_OFF}
THEN_LATER = {"FINAL": LATER, "MAIL": LATER}
BUG_ALARM = MESSAGE + ("BANNER", "STARTTLS", "AUTH", "RSET")
SENDER_POLICY = ("7.23", "7.24", "7.25", "7.26", "7.27", "7.29", "7.30",
                 "7.32")

ROWS = [
    Row("421 4.3.0 Temporary System Problem. Try again later (10).",
        {"any": BRIEF}, cure="message-gap"),
    Row("421 4.4.5 Server busy, try again later.", {"any": BRIEF}),
    Row("421 4.7.0 Temporary System Problem. Try again later.",
        {"any": BRIEF}),
    Row("421 4.7.0 Connection expired, try reconnecting.",
        {"any": RECONNECT}),
    Row("421 4.7.0 Try again later, closing connection. (EHLO)",
        {"any": EHLO_NAME}, cure="hostname"),
    Row("421 4.7.0 Try again later, closing connection. (MAIL)",
        {"any": EHLO_NAME}, cure="hostname"),
    Row("421 4.7.0 IP not in whitelist for RCPT domain, closing connection.",
        {("RCPT",) + CONTENT: LATER}),
    Row("421 4.7.0 TLS required for RCPT domain, closing connection.",
        {("RCPT",) + CONTENT: LATER}),
    Row("421 4.7.0 Our system has detected an unusual rate of unsolicited "
        "mail originating from your IP address.", {"any": RATE}),
    Row("421 4.7.28 Gmail has detected an unusual rate of unsolicited mail "
        "containing one of your DKIM domains.", {"any": RATE}),
    Row("421 4.7.28 Gmail has rate limited you.", {"any": RATE}),
    Row("421 4.7.28 This message exceeded its quota for sending messages "
        "with the same Message-ID.",
        {"any": RATE, MESSAGE: later(4 * HOUR), AGAIN: RECONNECT},
        alarm=MESSAGE),
] + [
    Row("%d %d.%s This mail is unauthenticated." % (code, code // 100, number),
        {MESSAGE: FAIL if code == 550 else LATER},
        cure="SPF" if code == 550 else None,
        alarm=MESSAGE if code == 550 else ())
    for number, code in list(itertools.product(SENDER_POLICY, (451, 550))) +
    [("7.26", 421)]
] + [
    Row("450 4.2.1 The user you are trying to contact is receiving mail too "
        "quickly. Please resend your message at a later time.",
        {("RCPT",) + CONTENT: later(30 * MINUTE)}),
    Row("450 4.2.1 The user you are trying to contact is receiving mail at a "
        "rate that prevents additional messages from being delivered.",
        {("RCPT",) + CONTENT: later(30 * MINUTE)}),
    Row("450 4.2.1 Peak SMTP relay limit exceeded for customer.",
        {"any": PEAK}),
    Row("451 4.3.0 Mail server temporarily rejected message.", {}),
    Row("451 4.3.0 Multiple destination domains per transaction is "
        "unsupported. Please try again.", {"RCPT": SPLIT}),
    Row("451 4.4.2 Timeout - closing connection.", {"any": RECONNECT}),
    Row("451 4.5.0 SMTP protocol violation, see RFC 2821.", OUR_BUG,
        twice=THEN_LATER, alarm=BUG_ALARM),
    Row("452 4.2.2 The recipient's inbox is out of storage space.",
        {"RCPT": LATER, "MAIL": HOLD}, cure="storage"),
    Row("452 4.5.3 Your message has too many recipients.", {"RCPT": SPLIT}),
    Row("452 4.5.3 Domain policy size per transaction exceeded, please try "
        "this recipient in a separate transaction.", {"RCPT": SPLIT}),
    Row("452 Too many recipients.", {"RCPT": SPLIT}),
    Row("552 Too many recipients.", {"RCPT": SPLIT}),
    Row("552 5.5.3 Try these in another transaction.", {"RCPT": SPLIT}),
    Row("454 4.5.0 SMTP protocol violation, no commands allowed to pipeline "
        "after STARTTLS, see RFC 3207.", {"any": BACK_OFF}, alarm=MOMENTS),
    Row("523 5.7.10 SMTP protocol violation, no commands allowed to pipeline "
        "after STARTTLS, see RFC 3207.", {}, alarm=("STARTTLS",)),
    Row("525 5.7.10 SMTP protocol violation, no commands allowed to pipeline "
        "after STARTTLS, see RFC 3207.", {}, alarm=("STARTTLS",)),
    Row("454 4.7.0 Cannot authenticate due to a temporary system problem. "
        "Try again later.", {}, cure="no fault of the password"),
    Row("454 4.7.0 Too many login attempts, please try again later.",
        {"any": LOGINS}, cure="log in less often"),
    Row("454 5.5.1 STARTTLS may not be repeated.", {"any": BACK_OFF},
        alarm=MOMENTS),
    Row("501 5.5.2 Cannot Decode response", {"RCPT": FAIL, "EHLO": OTHER_WAY}),
    Row("501 5.5.4 HELO/EHLO argument is invalid.", {"EHLO": OTHER_WAY},
        twice={"EHLO": HOLD}, cure="hostname"),
    Row("501-5.5.4 Empty HELO/EHLO argument not allowed, closing connection.\n"
        "501 5.5.4  https://support.google.com/mail/?p=helo",
        {"EHLO": OTHER_WAY}, twice={"EHLO": HOLD}, cure="hostname"),
    Row("501 5.7.11 Syntax error (no parameters allowed).",
        {"EHLO": OTHER_WAY}, alarm=("STARTTLS",)),
    Row("502 5.5.1 Unrecognized command.", OUR_BUG, twice=THEN_LATER, alarm=BUG_ALARM),
    Row("502 5.5.1 Too many unrecognized commands, goodbye.", OUR_BUG,
        twice=THEN_LATER, alarm=BUG_ALARM),
    Row("503 5.5.1 EHLO/HELO first.", OUR_BUG, twice=THEN_LATER, alarm=BUG_ALARM),
    Row("503 5.5.1 Bad sequence of commands.", OUR_BUG, twice=THEN_LATER, alarm=BUG_ALARM),
    Row("503 5.7.0 No identity changes permitted.", {"any": BACK_OFF},
        alarm=MOMENTS),
    Row("504 5.7.4 Unrecognized Authentication Type.", {"AUTH": OTHER_WAY},
        twice={"AUTH": HOLD}),
    Row("504 5.7.4 XOAUTH is no longer supported.", {"AUTH": OTHER_WAY},
        twice={"AUTH": HOLD}),
    Row("530 5.5.1 Authentication Required.", {MESSAGE: RECONNECT},
        twice={"MAIL": HOLD}),
    Row("530-5.7.0 Authentication Required. For more information, go to\n"
        "530 5.7.0  https://support.google.com/mail/?p=WantAuthError",
        {MESSAGE: RECONNECT}, twice={"MAIL": HOLD, "FINAL": HOLD}),
    Row("530 5.7.0 Must issue a STARTTLS command first.", {"any": HOLD}),
    Row("534-5.7.9 Application-specific password required. For more\n"
        "534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor",
        {"any": HOLD}, cure="then run gmrelayctl reload"),
    Row("534 5.7.9 Please log in with your web browser and then try again.",
        {"any": WEB}, cure="browser"),
    Row("534-5.7.14 <https://accounts.google.com/signin/continue?sarp=1>\n"
        "534-5.7.14 Please log in via your web browser and then try again.\n"
        "534 5.7.14  https://support.google.com/mail/answer/78754",
        {"any": WEB}, cure="browser"),
    Row("535-5.7.8 Username and Password not accepted. For more information\n"
        "535 5.7.8  https://support.google.com/mail/?p=BadCredentials",
        {"any": HOLD}, cure="Then run gmrelayctl reload"),
    Row("535 5.7.1 Username and Password not accepted.", {"any": HOLD}),
    Row("535 5.7.1 Application-specific password required.", {"any": HOLD},
        cure="app password"),
    Row("535 5.7.9 Application-specific password required.", {"any": HOLD},
        cure="app password"),
    Row("535 5.5.4 Optional Argument not permitted for that AUTH mode.",
        {"any": HOLD, "AUTH": OTHER_WAY}, twice={"AUTH": HOLD}),
    Row("550-5.1.1 The email account that you tried to reach does not exist. "
        "Please try\n550 5.1.1 double-checking the recipient's email "
        "address.", {}, cure="spelling"),
    Row("550 5.2.1 The email account that you tried to reach is disabled.",
        {}, cure="another address"),
    Row("550 5.2.1 The user you are trying to contact is receiving mail at a "
        "rate that prevents additional messages from being delivered.",
        {("RCPT",) + CONTENT: later(1 * HOUR)}),
    Row("550-5.4.5 Daily user sending limit exceeded. For more information on "
        "Gmail\n550-5.4.5 sending limits go to\n"
        "550 5.4.5  https://support.google.com/a/answer/166852",
        {"any": QUOTA}, cure="24 hours"),
    Row("550 5.4.5 Daily sending quota exceeded.", {"any": QUOTA}),
    Row("550 5.7.1 Daily user sending quota exceeded.", {"any": QUOTA}),
    Row("552 5.4.5 Daily sending quota exceeded.", {"any": QUOTA}),
    Row("554 5.4.5 Something about today.", {"any": QUOTA}),
    Row("554 5.7.1 Daily user sending limit exceeded.", {"any": QUOTA}),
    Row("550 5.4.5 Daily SMTP relay limit exceeded for user.",
        {"any": QUOTA}),
    Row("550 5.7.1 Daily SMTP relay limit exceeded for customer.",
        {"any": QUOTA}),
    Row("550 5.7.1 Daily SMTP relay sending limit exceeded for customer.",
        {"any": QUOTA}),
    Row("550 5.4.6 Message exceeded 50 hops, this may indicate a mail loop.",
        {MESSAGE: FAIL}, cure="loop"),
    Row("554 5.4.6 Message exceeded 50 hops, this may indicate a mail loop.",
        {MESSAGE: FAIL}, cure="loop"),
    Row("554 5.6.0 Message exceeded 50 hops.", {MESSAGE: FAIL}, cure="loop"),
    Row("554 5.6.0 Mail loop detected.", {MESSAGE: FAIL}, cure="loop"),
    Row("550 5.6.7 Internationalized address not supported.",
        {MESSAGE: FAIL}, cure="ASCII"),
    Row("553 5.6.7 Internationalized address not supported.",
        {MESSAGE: FAIL}, cure="ASCII"),
    Row("550 5.7.0 Mail relay denied [192.0.2.1].", {"any": HOLD},
        cure="Admin console"),
    Row("550 5.7.0 Mail Sending denied.", {"any": HOLD}),
    Row("554 5.7.0 Mail relay denied [192.0.2.1].", {"any": HOLD}),
    Row("550 5.7.1 Invalid credentials for relay [192.0.2.1].",
        {"any": HOLD}),
    Row("550 5.7.1 Our system has detected an unusual rate of unsolicited "
        "mail originating from your IP address.", {"any": DISTRUST}),
    Row("550 5.7.1 The IP you're using to send mail is rate limited.",
        {"any": DISTRUST}),
    Row("554 5.7.1 Our system has detected an unusual rate of mail.",
        {"any": DISTRUST}),
    Row("550 5.7.1 This message is likely suspicious due to the very low "
        "reputation of the sending IP address.", {"any": DISTRUST}),
    Row("550 5.7.1 This message is likely unsolicited due to the very low "
        "reputation of the sending domain.", {"any": DISTRUST}),
    Row("550 5.7.1 Our system has detected that this message is likely "
        "unsolicited mail.", {MESSAGE: FAIL}, cure="unwanted",
        alarm=MESSAGE),
    Row("550 5.7.1 This message is likely suspicious.", {MESSAGE: FAIL},
        alarm=MESSAGE),
    Row("550 5.7.1 Suspicious content found.", {MESSAGE: FAIL},
        alarm=MESSAGE),
    Row("550 5.7.1 Email quota exceeded.",
        {("RCPT",) + CONTENT: LATER}),
    Row("550 5.7.1 The user or domain that you are sending to (or from) has "
        "a policy that prohibited the mail that you sent.", {MESSAGE: FAIL},
        cure="administrator"),
    Row("550 5.7.1 Message rejected. gcdp", {MESSAGE: FAIL}),
] + [
    Row("550 5.7.1 %s" % text, {CONTENT: FAIL}, cure="header")
    for text in (
        "Messages missing a valid address in From: header are not accepted.",
        "Messages with no From: header are not accepted.",
        "'From' header is missing.",
        "This mail has more than one address in the From header.",
        "This mail has duplicate headers.",
        "This message is not RFC 5322 compliant.",
        "Messages without a valid Message-ID are not accepted.",
        "Messages missing a valid messageId header are not accepted.",
        "encoded-word syntax is not permitted in message header.",
        "An encoded word stands where none may stand.",
        "Unicode characters are not allowed in message header.")
] + [
    Row("552 5.2.2 The email account that you tried to reach is over quota "
        "and inactive.", {"RCPT": FAIL}),
    Row("552 5.2.3 Your message exceeded Google's message size limits.",
        {MESSAGE: FAIL}, cure="larger"),
    Row("552 5.3.4 Your message exceeded Google's message header size "
        "limits.", {MESSAGE: FAIL}, cure="larger"),
    Row("552 5.3.4 The number of attachments exceeds Google's limit.",
        {MESSAGE: FAIL}),
    Row("552-5.7.0 This message was blocked because its content presents a "
        "potential\n552 5.7.0 security issue.", {MESSAGE: FAIL},
        cure="attachments"),
    Row("553 5.1.2 We weren't able to find the recipient domain.", {}),
    Row("553 5.1.3 The address is not a valid RFC 5321 address.",
        {"RCPT": FAIL, "MAIL": OTHER_WAY}),
    Row("553 5.1.7 The sender address is not a valid RFC 5321 address.",
        {"MAIL": OTHER_WAY}),
    Row("554 5.6.0 Mail message is malformed. Not accepted.",
        {CONTENT: FAIL}, cure="malformed"),
    Row("554 5.7.0 Too many unauthenticated commands.", {"any": BACK_OFF},
        alarm=MOMENTS),
    # a sender is changed for the account's address
    Row("555 5.5.2 Syntax error, goodbye.", {"RCPT": FAIL,
                                             "MAIL": OTHER_WAY}),
    # and what nobody has heard of
    Row("421 4.9.9 Something new.", {}),
    Row("450 4.9.9 Something new.", {}),
    Row("550 5.9.9 Something new.", {}),
    Row("499 No enhanced code.", {}),
    Row("599 No enhanced code.", {}),
]
