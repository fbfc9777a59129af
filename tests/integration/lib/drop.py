"""drop.py - what the scenarios about drop/ have in common."""
import os

from .sendmail import USER_UID, Sendmail

TO = "person@example.net"
TEXT = b"Subject: hello\n\ntext\n"
OTHER_UID = USER_UID + 1
HEAD = b"gmrelay-drop 1\n"
LINES = b"from a@example.org\nto %s\n" % TO.encode()


def whole(lines=LINES, text=TEXT):
    """A file as the command makes it."""
    return HEAD + b"size %d\n" % len(text) + lines + b"\n" + text


def down(t, **settings):
    """A daemon that has run once, and does not now."""
    fake = t.fake()
    daemon = t.daemon(fake, **settings).start()
    daemon.stop()
    return fake, daemon, Sendmail(t, daemon)


def names(sendmail):
    return sorted(os.listdir(sendmail.drop))


def wait_empty(t, sendmail):
    t.wait_for(lambda: not names(sendmail), 30, "an empty drop/")


def subjects(fake):
    return sorted(x.header("Subject")[0] for x in fake.messages)


def put(sendmail, name, data, uid=None, mode=0o640):
    """A file as the holder of the group could make it: for a user, which
    without root can be ourselves alone."""
    if uid is None:
        uid = USER_UID if os.geteuid() == 0 else os.geteuid()
    path = os.path.join(sendmail.drop, name)
    temporary = path + ".new"
    with open(temporary, "wb") as out:
        out.write(data)
    os.chown(temporary, uid, os.stat(sendmail.drop).st_gid)
    os.chmod(temporary, mode)
    os.rename(temporary, path)
    return path
